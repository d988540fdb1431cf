#include "openflow/session.h"

#include <algorithm>

#include "openflow/form.h"

namespace sluice::openflow {

namespace {

constexpr std::uint16_t kDefaultMissSendLength = 128;

constexpr std::uint32_t bit(unsigned reason) {
  return 1u << reason;
}

/// What a controller gets until it says otherwise (OpenFlow 1.3.1 section 6.3.5), as Open vSwitch has it.
AsyncMasks default_masks(OfVersion version) {
  constexpr auto kPacketIn = static_cast<std::size_t>(AsyncKind::PacketIn);
  constexpr auto kPortStatus = static_cast<std::size_t>(AsyncKind::PortStatus);
  constexpr auto kFlowRemoved = static_cast<std::size_t>(AsyncKind::FlowRemoved);
  AsyncMasks masks;
  masks.primary[kPacketIn] = bit(0) | bit(1) | bit(3) | bit(4) | bit(5);
  masks.primary[kPortStatus] = masks.secondary[kPortStatus] = bit(0) | bit(1) | bit(2);
  // Timeouts and deletions; then of groups; then of meters, and evictions.
  masks.primary[kFlowRemoved] = bit(0) | bit(1) | bit(2);
  if (version >= k13) masks.primary[kFlowRemoved] |= bit(3);
  if (version >= k14) masks.primary[kFlowRemoved] |= bit(4) | bit(5);
  masks.primary[static_cast<std::size_t>(AsyncKind::RoleStatus)] = bit(0) | bit(1);
  return masks;
}

template <typename T>
bool is(const Message& message) {
  return as<T>(message) != nullptr;
}

/// Messages that a secondary may not send (OpenFlow 1.3.1 section 6.3.4), whether what they say is right or
/// wrong: but they are messages, and not too short.
bool changes_switch(Bytes bytes, OfVersion version) {
  // Packet-out, flow-mod, group-mod, port-mod and table-mod follow each other; 1.0 has no groups.
  constexpr std::uint8_t kFirst = 13, kLast = 17, kLast10 = 15, kMeterMod = 29;
  const std::uint8_t type = bytes[1];
  const bool changes = (type >= kFirst && type <= (version == k10 ? kLast10 : kLast)) || type == kMeterMod;
  return changes && form_of(bytes, version);
}

/// Table features that are more than a question.
bool changes_tables(const Message& message) {
  const auto* features = as<TableFeaturesRequest>(message);
  return features != nullptr && !features->entries.empty();
}

}  // namespace

Session::Session(const Options& options, SessionHandler& handler, Instant now)
    : options_(options), handler_(handler), began_(now), heard_(now), now_(now) {
  miss_send_len_ = options.service ? 0 : kDefaultMissSendLength;
  dialect_.version = highest_version(options.versions).value_or(k10);
  write(encode(make_message(Hello{.versions = options.versions}, dialect_, 1)));
}

Session::~Session() {
  bundles_.clear();
  count_bundles();
}

void Session::write(const std::vector<std::uint8_t>& bytes) {
  output_.insert(output_.end(), bytes.begin(), bytes.end());
  if (options_.observer) options_.observer->sent(bytes);
}

std::vector<std::uint8_t> Session::take_output() {
  std::vector<std::uint8_t> taken;
  taken.swap(output_);
  return taken;
}

void Session::close(std::string reason) {
  if (state_ == State::Closed) return;
  state_ = State::Closed;
  reason_ = std::move(reason);
  bundles_.clear();
  count_bundles();
  partial_.clear();
  partial_bytes_ = 0;
  tell_wants();
}

void Session::receive(Bytes bytes, Instant now) {
  append(bytes, now);
  while (serve_next()) {
  }
}

void Session::append(Bytes bytes, Instant now) {
  if (state_ == State::Closed) return;
  heard_ = now_ = now;
  probed_ = false;
  input_.append(bytes);
}

bool Session::serve_next() {
  if (state_ == State::Closed) return false;
  if (work_) {
    const Result<bool> more = work_->slices->step(*this);
    if (!more && work_->request) answer_error(more.error(), encode(*work_->request));
    if (!more || !*more) work_.reset();
    return true;
  }
  const auto next = input_.next();
  if (!next) {
    close("the stream is broken: " + next.error().message);
    return false;
  }
  if (!*next) return false;
  if (options_.observer) options_.observer->received(**next);
  on_message(**next);
  return true;
}

void Session::tick(Instant now) {
  now_ = now;
  for (auto it = partial_.begin(); it != partial_.end();) {
    if (now < it->second.until) {
      ++it;
      continue;
    }
    answer_error(fail("multipart request: its next part did not come (OFPBRC_MULTIPART_REQUEST_TIMEOUT)",
                      OfError::BrcMultipartRequestTimeout)
                     .value(),
                 encode(it->second.message));
    partial_bytes_ -= it->second.bytes;
    it = partial_.erase(it);
  }
  expire_bundles(now);
  if (const auto due = hello_due(); due && now >= *due) return close("the peer did not say hello");
  const auto when = silence_ends();
  if (state_ == State::Closed || !when || now < *when) return;
  if (probed_) return close("the peer does not answer");
  probed_ = true;
  if (state_ == State::Open) write(encode(make_message(EchoRequest{}, dialect_, 0)));
}

std::optional<Instant> Session::deadline() const {
  if (state_ == State::Closed) return std::nullopt;
  std::optional<Instant> first = silence_ends();
  const auto consider = [&](Instant when) {
    if (!first || when < *first) first = when;
  };
  if (const auto due = hello_due()) consider(*due);
  for (const auto& [xid, partial] : partial_) consider(partial.until);
  for (const auto& [id, bundle] : bundles_) consider(bundle.used + handler_.bundle_room().idle_timeout);
  return first;
}

std::optional<Instant> Session::hello_due() const {
  if (options_.hello_within == Duration{} || state_ != State::Hello) return std::nullopt;
  return began_ + options_.hello_within;
}

bool Session::is_idle() const {
  if (!bundles_.empty() || !partial_.empty() || work_ || role_ == Role::Primary) return false;
  if (state_ != State::Open || (options_.service && miss_send_len_ == 0)) return true;
  const auto& masks = role_ == Role::Secondary ? async_.secondary : async_.primary;
  return !invalid_ttl_ &&
         std::all_of(masks.begin(), masks.end(), [](std::uint32_t mask) { return mask == 0; });
}

std::optional<Instant> Session::silence_ends() const {
  if (options_.probe_after == Duration{} || state_ == State::Closed) return std::nullopt;
  return heard_ + options_.probe_after * (probed_ ? 2 : 1);
}

void Session::on_message(Bytes bytes) {
  if (state_ == State::Hello) return on_hello(bytes);
  const auto header = decode_header(bytes);
  // Hellos, errors and echoes are the same in every version.
  constexpr std::uint8_t kLastOfAllVersions = 3;
  if (header->version != dialect_.version && (!header->version || header->type > kLastOfAllVersions))
    return write(encode_error_reply(OfError::BrcBadVersion, bytes, k10));
  if (role_ == Role::Secondary && changes_switch(bytes, dialect_.version))
    return write(encode_error_reply(OfError::BrcIsSecondary, bytes, dialect_.version));
  const auto message = decode(bytes, {.table_id = dialect_.table_id});
  if (!message) {
    if (only_switches_send(bytes, dialect_.version))
      return write(encode_error_reply(OfError::BrcBadType, bytes, dialect_.version));
    return answer_error(message.error(), bytes);
  }
  // Before 1.3 a request comes in one part, whatever its flags.
  if ((message->more && dialect_.version >= k13) || partial_.contains(message->xid)) {
    if (const Status taken = on_part(*message, bytes); !taken) answer_error(taken.error(), bytes);
    return;
  }
  dispatch(*message, bytes);
}

namespace {

/// Appends what a further part brings to those requests that are lists.
template <typename T>
bool append_part(Message& message, const Message& part) {
  if (!is<T>(message) || !is<T>(part)) return false;
  auto& all = std::get<T>(message.body().variant()).entries;
  const auto& further = as<T>(part)->entries;
  all.insert(all.end(), further.begin(), further.end());
  return true;
}

}  // namespace

/// A part of a request that comes in several (OpenFlow 1.3.1 section 7.3.5): the last serves the whole.
Status Session::on_part(Message message, Bytes bytes) {
  const auto drop = [&](std::map<std::uint32_t, Partial>::iterator found) {
    partial_bytes_ -= found->second.bytes;
    return partial_.erase(found);
  };
  const auto found = partial_.find(message.xid);
  const bool first = found == partial_.end();
  if (partial_bytes_ + bytes.size() > session_limits::kPartialBytes ||
      (first && partial_.size() >= session_limits::kPartialRequests)) {
    if (!first) drop(found);
    return fail("multipart request: too much of it (OFPBRC_MULTIPART_BUFFER_OVERFLOW)",
                OfError::BrcMultipartBufferOverflow);
  }
  const Instant until = now_ + session_limits::kPartialTimeout;
  if (first) {
    const std::uint32_t xid = message.xid;
    partial_.emplace(xid, Partial{std::move(message), bytes.size(), until});
    partial_bytes_ += bytes.size();
    return {};
  }
  if (found->second.message.form != message.form) {
    drop(found);
    return fail("multipart request: its parts are of different types (OFPBRC_MULTIPART_BUFFER_OVERFLOW)",
                OfError::BrcMultipartBufferOverflow);
  }
  Partial& partial = found->second;
  // Of a request that is no list, the last part says it all.
  if (!append_part<FlowMonitorRequest>(partial.message, message) &&
      !append_part<TableFeaturesRequest>(partial.message, message))
    partial.message = message;
  partial.bytes += bytes.size();
  partial.until = until;
  partial_bytes_ += bytes.size();
  if (message.more) return {};
  Message whole = std::move(partial.message);
  whole.more = false;
  drop(found);
  dispatch(whole, bytes);
  return {};
}

void Session::on_hello(Bytes bytes) {
  const auto header = decode_header(bytes);
  // A version that we have never heard of still says hello the same way: everything up to it is possible.
  std::uint32_t theirs = header->version ? 0 : ~1u;
  if (header->type != 0) return close("the peer began with something else than a hello");
  if (header->version) {
    const auto message = decode(bytes);
    if (message) theirs = as<Hello>(*message)->versions;
  }
  const auto version = negotiate(options_.versions, theirs);
  if (!version) {
    ErrorMessage error{.error = OfError::HfcIncompatible};
    const std::string text =
        fmt::format("no common version: offered {:#x}, asked for {:#x}", options_.versions, theirs);
    error.data.assign(text.begin(), text.end());
    write(encode(make_message(std::move(error), dialect_, header->xid)));
    return close(text);
  }
  dialect_.version = *version;
  dialect_.table_id = *version != k10;
  if (options_.async) async_ = default_masks(*version);
  state_ = State::Open;
  tell_wants();
}

void Session::answer_error(const Error& error, Bytes request) {
  write(encode_error_reply(field::of_error(error).value_or(OfError::BrcUnknown), request, dialect_.version));
}

void Session::dispatch(const Message& message, Bytes bytes) {
  if (role_ == Role::Secondary && forbidden_to_secondary(message))
    return write(encode_error_reply(OfError::BrcIsSecondary, bytes, dialect_.version));
  if (const Status done = serve(message, bytes); !done) answer_error(done.error(), bytes);
}

bool Session::forbidden_to_secondary(const Message& m) const {
  return is<FlowMod>(m) || is<GroupMod>(m) || is<PortMod>(m) || is<TableMod>(m) || is<MeterMod>(m) ||
         is<PacketOut>(m) || is<Resume>(m) || is<BundleControl>(m) || is<BundleAdd>(m) || is<CtFlush>(m) ||
         is<CtFlushZone>(m) || is<TlvTableMod>(m) || changes_tables(m);
}

Status Session::serve(const Message& message, Bytes bytes) {
  if (is<Hello>(message) || is<EchoReply>(message) || is<ErrorMessage>(message) || is<FlowAge>(message))
    return {};
  if (const auto* echo = as<EchoRequest>(message)) {
    EchoReply answer;
    answer.data = echo->data;
    write(encode(make_message(std::move(answer), {.version = message.version}, message.xid)));
  } else if (is<BarrierRequest>(message)) {
    reply(message, BarrierReply{});
  } else if (const auto* role = as<RoleRequest>(message)) {
    return on_role(message, *role);
  } else if (const auto* async = as<SetAsync>(message)) {
    async->apply(async_);
    tell_wants();
  } else if (is<GetAsyncRequest>(message)) {
    GetAsyncReply answer;
    static_cast<AsyncConfig&>(answer) = AsyncConfig::of(async_);
    reply(message, answer);
  } else if (const auto* flow_format = as<SetFlowFormat>(message)) {
    const std::uint32_t code = flow_format->format_code;
    if (code != static_cast<std::uint32_t>(FlowFormat::OpenFlow10) &&
        code != static_cast<std::uint32_t>(FlowFormat::Nxm))
      return fail(fmt::format("flow format {} (OFPBRC_EPERM)", code), OfError::BrcEperm);
    dialect_.nxm = code == static_cast<std::uint32_t>(FlowFormat::Nxm);
  } else if (const auto* table_id = as<SetFlowModTableId>(message)) {
    if (dialect_.version == k10) dialect_.table_id = table_id->enable;
  } else if (const auto* packet_in = as<SetPacketInFormat>(message)) {
    dialect_.packet_in = packet_in->style;
  } else if (const auto* id = as<SetControllerId>(message)) {
    controller_id_ = id->id;
  } else if (const auto* control = as<BundleControl>(message)) {
    return on_bundle_control(message, *control, bytes);
  } else if (const auto* add = as<BundleAdd>(message)) {
    return on_bundle_add(*add, bytes);
  } else {
    if (const auto* config = as<SetConfig>(message)) {
      miss_send_len_ = config->miss_send_len;
      invalid_ttl_ = config->invalid_ttl_to_controller;
      tell_wants();
      // What concerns itself alone, a secondary may set.
      if (role_ == Role::Secondary) return {};
    }
    return handler_.handle(*this, message);
  }
  return {};
}

Status Session::on_role(const Message& request, const RoleRequest& wanted) {
  SLUICE_ASSIGN(const auto generation, handler_.claim_role(*this, wanted.role, wanted.generation));
  if (wanted.role != Role::NoChange) role_ = wanted.role;
  tell_wants();
  RoleReply answer;
  answer.role = role_;
  if (dialect_.version >= k12) answer.generation = generation;
  reply(request, answer);
  return {};
}

void Session::demote(std::uint64_t generation) {
  // What is wanted is told when the other has its role: on_role() does.
  role_ = Role::Secondary;
  constexpr auto kReason = RoleStatusReason::PrimaryRequest;
  // As the primary that it was.
  const bool told = (async_.primary[static_cast<std::size_t>(AsyncKind::RoleStatus)] &
                     bit(static_cast<unsigned>(kReason))) != 0;
  if (told) send(RoleStatus{.role = Role::Secondary, .reason = kReason, .generation = generation});
}

std::map<std::uint32_t, Session::Bundle>::iterator Session::open_bundle(std::uint32_t id,
                                                                        const BundleFlags& flags,
                                                                        Bytes opened_by) {
  const Bytes told = opened_by.first(std::min(opened_by.size(), kErrorDataBytes));
  return bundles_
      .try_emplace(id, Bundle{.flags = flags,
                              .opened_by = {told.begin(), told.end()},
                              .used = now_,
                              .messages = BundleMessages(dialect_.version, dialect_.table_id, &handler_)})
      .first;
}

std::map<std::uint32_t, Session::Bundle>::iterator Session::end_bundle(
    std::map<std::uint32_t, Bundle>::iterator bundle) {
  const auto next = bundles_.erase(bundle);
  count_bundles();
  return next;
}

void Session::expire_bundles(Instant now) {
  const Duration timeout = handler_.bundle_room().idle_timeout;
  for (auto it = bundles_.begin(); it != bundles_.end();) {
    if (now < it->second.used + timeout) {
      ++it;
      continue;
    }
    write(encode_error_reply(OfError::BfcTimeout, it->second.opened_by, dialect_.version));
    it = end_bundle(it);
  }
}

Status Session::on_bundle_control(const Message& request, const BundleControl& control, Bytes bytes) {
  const auto bad = [](OfError code) {
    return fail(fmt::format("bundle: {}", field::of_error_name(code)), code);
  };
  const auto found = bundles_.find(control.id);
  const bool exists = found != bundles_.end();
  // As Open vSwitch has it: a mistake in the handling of a bundle ends it, and replies tell no flags.
  const auto end_bad = [&](OfError code) {
    end_bundle(found);
    return bad(code);
  };
  BundleControl answer{.id = control.id, .type = control.type, .flags = {}};
  switch (control.type) {
    case BundleControlType::OpenRequest:
      if (exists) return end_bad(OfError::BfcBadId);
      if (bundles_.size() >= session_limits::kBundles) return bad(OfError::BfcOutOfBundles);
      open_bundle(control.id, control.flags, bytes);
      answer.type = BundleControlType::OpenReply;
      break;
    case BundleControlType::CloseRequest:
      if (!exists) return bad(OfError::BfcBadId);
      if (found->second.closed) return end_bad(OfError::BfcBundleClosed);
      if (!(found->second.flags == control.flags)) return end_bad(OfError::BfcBadFlags);
      found->second.closed = true;
      found->second.used = now_;
      answer.type = BundleControlType::CloseReply;
      break;
    case BundleControlType::CommitRequest:
      if (!exists) return bad(OfError::BfcBadId);
      if (!(found->second.flags == control.flags)) return end_bad(OfError::BfcBadFlags);
      SLUICE_TRY(commit_bundle(found));
      answer.type = BundleControlType::CommitReply;
      break;
    case BundleControlType::DiscardRequest:
      if (!exists) return bad(OfError::BfcBadId);
      end_bundle(found);
      answer.type = BundleControlType::DiscardReply;
      break;
    default:
      return bad(OfError::BfcBadType);
  }
  reply(request, answer);
  return {};
}

BundleBytes Session::bundle_bytes() const {
  BundleBytes bytes;
  for (const auto& [id, bundle] : bundles_) {
    bytes.messages += bundle.bytes();
    bytes.prepared += bundle.messages.prepared_bytes();
  }
  return bytes;
}

void Session::count_bundles() {
  const BundleBytes now = bundle_bytes();
  BundleBytes& all = handler_.bundle_room().held;
  all.messages += now.messages - counted_.messages;
  all.prepared += now.prepared - counted_.prepared;
  counted_ = now;
}

Status Session::on_bundle_add(const BundleAdd& add, Bytes bytes) {
  const auto bad = [](OfError code) {
    return fail(fmt::format("bundle: {}", field::of_error_name(code)), code);
  };
  // What is wrong with the message itself is said now; what it makes of the switch, when it is committed.
  SLUICE_ASSIGN(const Message message, decode(add.message, {.table_id = dialect_.table_id}));
  SLUICE_TRY(handler_.check(message));
  auto found = bundles_.find(add.id);
  if (found == bundles_.end()) {
    if (bundles_.size() >= session_limits::kBundles) return bad(OfError::BfcOutOfBundles);
    found = open_bundle(add.id, add.flags, bytes);
  }
  const auto end_bad = [&, at = found](OfError code) {
    end_bundle(at);
    return bad(code);
  };
  Bundle& bundle = found->second;
  if (bundle.closed) return end_bad(OfError::BfcBundleClosed);
  if (!(bundle.flags == add.flags)) return end_bad(OfError::BfcBadFlags);
  const std::size_t packet_bytes = is<PacketOut>(message) ? session_limits::kBundledPacketBytes : 0;
  const BundleBytes all = handler_.bundle_room().held;
  const std::size_t more = bytes.size() + packet_bytes;
  if (counted_.messages + more > session_limits::kBundleBytes ||
      all.messages + more > BundleRoom::kMessageBytes)
    return bad(OfError::BfcMsgTooMany);
  const bool may_prepare =
      counted_.prepared < session_limits::kPreparedBytes && all.prepared < BundleRoom::kPreparedBytes;
  bundle.messages.append(bytes, may_prepare ? handler_.prepare(message) : Prepared{});
  bundle.packet_bytes += packet_bytes;
  bundle.used = now_;
  count_bundles();
  return {};
}

Status Session::commit_bundle(std::map<std::uint32_t, Bundle>::iterator found) {
  Bundle bundle = std::move(found->second);
  end_bundle(found);
  const Status done = handler_.commit(*this, bundle.messages, bundle.flags);
  if (done) return {};
  // First what was wrong with which message, then that the bundle failed.
  if (const Bytes add = bundle.messages.current_add(); !add.empty()) answer_error(done.error(), add);
  return fail("bundle: a message failed (OFPBFC_MSG_FAILED)", OfError::BfcMsgFailed);
}

bool Session::wants(AsyncKind kind, unsigned reason) const {
  if (state_ != State::Open || reason >= 32) return false;
  if (options_.service && miss_send_len_ == 0) return false;
  constexpr unsigned kInvalidTtl = 2;
  if (kind == AsyncKind::PacketIn && reason == kInvalidTtl && invalid_ttl_ && role_ != Role::Secondary)
    return true;
  const auto& masks = role_ == Role::Secondary ? async_.secondary : async_.primary;
  return (masks[static_cast<std::size_t>(kind)] >> reason & 1) != 0;
}

void Session::proceed(const Message& request, std::unique_ptr<SlicedRequest> work) {
  work_.emplace(Work{request, std::move(work)});
}

void Session::proceed(std::unique_ptr<SlicedRequest> work) {
  work_.emplace(Work{std::nullopt, std::move(work)});
  if (options_.observer) options_.observer->has_work();
}

void Session::reply(const Message& request, Body body, bool more) {
  if (state_ != State::Open) return;
  Dialect dialect = dialect_;
  // What was asked in Nicira's form is answered in it.
  dialect.nxm = request.form->vendor == kNiciraVendor;
  if (!can_express(body, dialect)) return;
  Message message = make_message(std::move(body), dialect, request.xid);
  message.more = more;
  write(encode(message));
}

void Session::reply_error(const Message& request, OfError error) {
  write(encode_error_reply(error, encode(request), dialect_.version));
}

void Session::send(Body body) {
  if (state_ != State::Open || !can_express(body, dialect_)) return;
  write(encode(make_message(std::move(body), dialect_, 0)));
}

}  // namespace sluice::openflow
