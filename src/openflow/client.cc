#include "openflow/client.h"

#include <bit>

namespace sluice::openflow {

namespace {

constexpr std::uint8_t kErrorType = 1;

std::uint8_t multipart_reply_type(std::uint8_t version) {
  return version == static_cast<std::uint8_t>(k10) ? 17 : 19;
}

}  // namespace

Client::Client(std::uint32_t versions, std::uint32_t xid) : versions_(versions) {
  const auto highest = highest_version(versions).value_or(k10);
  output_ = encode(make_message(Hello{.versions = versions}, {.version = highest}, xid));
}

Result<std::optional<Bytes>> Client::next() {
  auto message = input_.next();
  if (!message) {
    state_ = State::Closed;
    return tl::unexpected<Error>(std::move(message).error());
  }
  if (*message && state_ == State::Hello) {
    if (const Status agreed = on_hello(**message); !agreed) return tl::unexpected<Error>(agreed.error());
  }
  return *message;
}

Status Client::on_hello(Bytes bytes) {
  state_ = State::Closed;
  const auto message = decode(bytes);
  const Hello* hello = message ? as<Hello>(*message) : nullptr;
  const auto header = decode_header(bytes);
  if (hello == nullptr && header && header->type == 0) {
    // A hello of a version that we don't know still says that lower ones may do.
    peer_versions_ = bytes[0] >= 31 ? ~1u : (2u << bytes[0]) - 2;
  } else if (hello != nullptr) {
    peer_versions_ = hello->versions;
  } else {
    return fail(fmt::format("message of type {} where a hello was expected", header ? header->type : 0));
  }
  version_ = negotiate(versions_, peer_versions_);
  if (version_) {
    state_ = State::Open;
    return {};
  }
  ErrorMessage error{.error = OfError::HfcIncompatible};
  const std::string text = fmt::format("We support {}, you support {}, no common versions.",
                                       describe_versions(versions_), describe_versions(peer_versions_));
  error.data.assign(text.begin(), text.end());
  const OfVersion theirs = hello != nullptr ? message->version : k15;
  send(encode(make_message(std::move(error), {.version = theirs}, 0)));
  return fail(fmt::format("version negotiation failed (we support {}, peer supports {})",
                          describe_versions(versions_), describe_versions(peer_versions_)));
}

bool Exchange::take(Bytes message) {
  const auto header = decode_header(message);
  if (!header || done_ || (header->xid != request_ && header->xid != barrier_)) return false;
  failed_ = is_error(message);
  // An error about the request comes before the barrier's reply, which ends the exchange in any case.
  done_ = barrier_ ? header->xid == *barrier_ : !more_follow(message);
  return true;
}

std::string describe_versions(std::uint32_t versions) {
  const std::uint32_t known = versions & ~1u;
  const int highest = 31 - std::countl_zero(known | 1u);
  if (std::popcount(known) > 1 && known == (2u << highest) - 2)
    return fmt::format("version {:#04x} and earlier", highest);
  std::string text = std::popcount(known) == 1 ? "version " : "versions ";
  bool first = true;
  for (int version = 1; version <= highest; ++version) {
    if ((known >> version & 1) == 0) continue;
    text += fmt::format("{}{:#04x}", first ? "" : ", ", version);
    first = false;
  }
  return text;
}

bool is_error(Bytes message) {
  return message.size() >= kHeaderBytes && message[1] == kErrorType;
}

bool more_follow(Bytes message) {
  constexpr std::size_t kFlagsAt = 11;
  return message.size() > kFlagsAt && message[1] == multipart_reply_type(message[0]) &&
         (message[kFlagsAt] & 1) != 0;
}

}  // namespace sluice::openflow
