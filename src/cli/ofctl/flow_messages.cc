#include "cli/ofctl/flow_messages.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "action/protocols.h"
#include "cli/ofctl/dump.h"
#include "cli/ofctl/flow_format.h"
#include "field/match_text.h"

namespace sluice::cli::ofctl {

using action::Protocols;
using openflow::OfVersion;

void MessageList::add(Bytes message) {
  bytes_.insert(bytes_.end(), message.begin(), message.end());
  ends_.push_back(bytes_.size());
}

Bytes MessageList::operator[](std::size_t i) const {
  const std::size_t start = i == 0 ? 0 : ends_[i - 1];
  return Bytes(bytes_).subspan(start, ends_[i] - start);
}

void MessageList::set_xid(std::size_t i, std::uint32_t xid) {
  constexpr std::size_t kXidAt = 4;
  const std::size_t at = (i == 0 ? 0 : ends_[i - 1]) + kXidAt;
  for (unsigned byte = 0; byte < 4; ++byte)
    bytes_[at + byte] = static_cast<std::uint8_t>(xid >> (24 - 8 * byte));
}

void MessageList::clear() {
  bytes_.clear();
  ends_.clear();
}

namespace {

openflow::Dialect dialect_of(Protocols::Bit format) {
  return {.version = action::version_of(format),
          .nxm = format == Protocols::kNxm || format == Protocols::kNxmTableId,
          .table_id = format == Protocols::kOf10TableId || format == Protocols::kNxmTableId};
}

/// The format to be expected for flows that can travel in these: of the highest version that is allowed.
std::optional<Protocols::Bit> likely_format(const Run& run, Protocols usable) {
  const Protocols allowed = run.allowed_formats() & usable;
  const auto version = openflow::highest_version(run.options.versions);
  for (std::uint16_t bit = 1; bit <= Protocols::kOf15; bit = static_cast<std::uint16_t>(bit << 1)) {
    const auto format = static_cast<Protocols::Bit>(bit);
    if (allowed.has(format) && action::version_of(format) == version) return format;
  }
  return std::nullopt;
}

/// One reading of all flows in one format. Stops early, with `usable` narrowed, when a flow can't be said in
/// it.
struct Reading {
  Protocols usable;
  bool complete = true;
};

Result<Reading> read_flows(Run& run, const FlowText& flows, std::optional<Protocols::Bit> format,
                           Protocols known_usable, MessageList& messages) {
  Reading reading{.usable = known_usable};
  messages.clear();
  // Without a format that all can travel in, flows are only checked.
  bool encodes = format.has_value();
  const Protocols::Bit wanted = format.value_or(Protocols::kOf10);
  const openflow::Dialect dialect = dialect_of(wanted);
  action::FlowLines lines(flows.text, flows.command, flows.own_commands);
  bool taken = false;
  const auto next = [&]() -> std::optional<action::FlowLines::Line> {
    if (!flows.single) return lines.next();
    if (std::exchange(taken, true)) return std::nullopt;
    return action::FlowLines::Line{.text = flows.text, .command = flows.command};
  };
  while (const auto line = next()) {
    auto flow = parse_flow(run, line->text, line->command, flows.names);
    if (!flow) {
      Error error = std::move(flow).error();
      if (!flows.single) error.message = fmt::format("{}:{}: {}", flows.file, line->number, error.message);
      return tl::unexpected<Error>(std::move(error));
    }
    reading.usable = reading.usable & carriers(*flow);
    if (!encodes) continue;
    if (!reading.usable.has(wanted)) {
      reading.complete = false;
      if (likely_format(run, reading.usable)) return reading;
      encodes = false;
      continue;
    }
    openflow::FlowMod mod;
    mod.flow = std::move(*flow);
    messages.add(openflow::encode(openflow::make_message(std::move(mod), dialect, 0)));
  }
  return reading;
}

/// First few messages go one by one, so that what is refused early stops the rest.
constexpr std::size_t kFirstBatch = 1, kLargestBatch = 4096;

}  // namespace

Result<action::FlowSpec> parse_flow(Run& run, std::string_view text, action::FlowCommand command,
                                    const action::Names& names) {
  SLUICE_ASSIGN(auto flow, action::parse_flow(text, {.command = command, .names = names, .check = false}));
  const bool deletes = command == action::FlowCommand::Delete || command == action::FlowCommand::DeleteStrict;
  if (!deletes) {
    const std::uint8_t table = flow.table == action::kNoTable ? std::uint8_t{0} : flow.table;
    if (const Status fits = action::check(flow.actions, flow.match, {.table = table}); !fits) {
      const auto code = field::of_error(fits.error());
      return fail(fmt::format("actions are invalid with specified match ({})",
                              code ? field::of_error_name(*code) : fits.error().message));
    }
  }
  if (flow.written_match.empty()) return flow;
  const log::Logger logger = run.log.logger("ofp_match");
  logger.info("normalization changed ofp_match, details:");
  logger.info(" pre: {}", flow.written_match);
  logger.info("post: {}", field::format_match(flow.match, names.ports));
  return flow;
}

Protocols carriers(const action::FlowSpec& flow) {
  if (flow.cookie_mask == 0) return flow.usable;
  // OpenFlow 1.0 itself can't look for a cookie.
  return flow.usable & Protocols(Protocols::kAnyNxm | Protocols::kOf11Up);
}

Result<Connection> open_and_encode(Run& run, const std::string& target, const FlowText& flows,
                                   MessageList& messages) {
  Reading reading{.complete = false};
  std::optional<Protocols::Bit> format;
  while (!reading.complete) {
    format = likely_format(run, reading.usable);
    SLUICE_ASSIGN(reading, read_flows(run, flows, format, reading.usable, messages));
    if (!likely_format(run, reading.usable)) break;
  }
  Protocols::Bit chosen{};
  SLUICE_ASSIGN(Connection connection, open_for_flows(run, target, reading.usable, chosen));
  if (chosen != format || !reading.complete)
    SLUICE_TRY(read_flows(run, flows, chosen, reading.usable, messages));
  return connection;
}

Result<bool> send_all(Run& run, Connection& connection, const std::string& target, MessageList& messages,
                      Ids ids) {
  // One at a time also where each message is logged.
  const std::size_t largest = run.log.logger("vconn").enabled(log::Level::Dbg) ? kFirstBatch : kLargestBatch;
  const auto xid_of = [&](std::size_t i) { return openflow::decode_header(messages[i])->xid; };
  std::size_t batch = kFirstBatch, end = 0;
  std::vector<std::uint8_t> bytes;
  if (ids == Ids::InARow)
    for (std::size_t i = 0; i < messages.size(); ++i) messages.set_xid(i, run.next_xid());
  for (std::size_t start = 0; start < messages.size(); start = end, batch = std::min(batch * 2, largest)) {
    end = std::min(start + batch, messages.size());
    bytes.clear();
    for (std::size_t i = start; i < end; ++i) {
      if (ids == Ids::BetweenBarriers) {
        messages.set_xid(i, run.next_xid());
        if (i + 1 < end) (void)run.next_xid();
      }
      const Bytes message = messages[i];
      bytes.insert(bytes.end(), message.begin(), message.end());
    }
    SLUICE_TRY(connection.send(bytes));
    SLUICE_ASSIGN(const std::uint32_t barrier, connection.send(openflow::BarrierRequest{}));
    std::optional<std::vector<std::uint8_t>> refused;
    for (;;) {
      SLUICE_ASSIGN(auto answer, connection.receive());
      const std::uint32_t xid = openflow::decode_header(answer)->xid;
      if (xid == barrier) break;
      if (openflow::is_error(answer) && xid >= xid_of(start) && xid <= xid_of(end - 1) && !refused)
        refused = std::move(answer);
    }
    if (refused) {
      SLUICE_TRY(print_refusal(run, target, *refused));
      return false;
    }
  }
  return true;
}

namespace {

/// "Error OFPBAC_BAD_OUT_GROUP for: OFPT_FLOW_MOD …", about a message that we sent.
void print_bundle_error(const Run& run, Bytes error, Bytes cause) {
  const auto message = openflow::decode(error);
  const auto* body = message ? openflow::as<openflow::ErrorMessage>(*message) : nullptr;
  const std::string name =
      body != nullptr && body->error ? std::string(field::of_error_name(*body->error)) : "unknown error";
  fmt::print(stderr, "Error {} for: {}", name,
             openflow::print(cause, {.verbosity = run.options.verbosity + 1}));
}

}  // namespace

Status send_bundle(Run& run, Connection& connection, MessageList& messages) {
  constexpr openflow::BundleFlags kFlags{.atomic = true, .ordered = true};
  using Type = openflow::BundleControlType;
  const std::uint32_t first = run.last_xid + 1;
  for (std::size_t i = 0; i < messages.size(); ++i) messages.set_xid(i, run.next_xid());
  bool failed = false;
  const auto hear = [&](Bytes answer, Bytes cause) {
    if (!openflow::is_error(answer)) return;
    const std::uint32_t index = openflow::decode_header(answer)->xid - first;
    print_bundle_error(run, answer, index < messages.size() ? messages[index] : cause);
    failed = true;
  };
  const auto control = [&](Type type) -> Status {
    const auto request =
        openflow::encode(connection.make(openflow::BundleControl{.type = type, .flags = kFlags}));
    SLUICE_TRY(connection.send(request));
    openflow::Exchange exchange(openflow::decode_header(request)->xid);
    while (!exchange.done()) {
      SLUICE_ASSIGN(const auto answer, connection.receive());
      (void)exchange.take(answer);
      hear(answer, request);
    }
    return {};
  };

  SLUICE_TRY(control(Type::OpenRequest));
  if (failed) return connection.protocol_error();
  std::vector<std::uint8_t> bytes;
  const bool each = run.log.logger("vconn").enabled(log::Level::Dbg);
  constexpr std::size_t kPiece = 256 << 10;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Bytes message = messages[i];
    openflow::BundleAdd add{.flags = kFlags, .message = {message.begin(), message.end()}};
    const auto encoded = openflow::encode(
        openflow::make_message(std::move(add), connection.dialect, first + static_cast<std::uint32_t>(i)));
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
    if (!each && bytes.size() < kPiece && i + 1 < messages.size()) continue;
    SLUICE_TRY(connection.send(bytes));
    bytes.clear();
  }
  SLUICE_ASSIGN(const std::uint32_t barrier, connection.send(openflow::BarrierRequest{}));
  for (;;) {
    SLUICE_ASSIGN(const auto answer, connection.receive());
    if (openflow::decode_header(answer)->xid == barrier) break;
    hear(answer, {});
  }
  SLUICE_TRY(control(failed ? Type::DiscardRequest : Type::CommitRequest));
  return failed ? connection.protocol_error() : Status{};
}

}  // namespace sluice::cli::ofctl
