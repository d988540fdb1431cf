#include "openflow/bundle.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "openflow/error.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kControl[] = {{"OFPT_BUNDLE_CONTROL", Frame::Plain, 0, 33, k14, k15, 16, 8},
                                 {"ONFT_BUNDLE_CONTROL", Frame::Vendor, kOnfVendor, 2300, k13, k13, 24, 8}};
constexpr WireForm kAdd[] = {{"OFPT_BUNDLE_ADD_MESSAGE", Frame::Plain, 0, 34, k14, k15, 16, 1},
                             {"ONFT_BUNDLE_ADD_MESSAGE", Frame::Vendor, kOnfVendor, 2301, k13, k13, 24, 1}};
constexpr std::uint16_t kAtomic = 1, kOrdered = 2;

BundleFlags flags_from_wire(std::uint16_t bits) {
  return {(bits & kAtomic) != 0, (bits & kOrdered) != 0};
}
std::uint16_t flags_to_wire(const BundleFlags& flags) {
  return static_cast<std::uint16_t>((flags.atomic ? kAtomic : 0) | (flags.ordered ? kOrdered : 0));
}
std::string format_flags(const BundleFlags& flags) {
  constexpr BitName kNames[] = {{kAtomic, "atomic"}, {kOrdered, "ordered"}};
  return bit_names(flags_to_wire(flags), kNames);
}

/// Types of messages that a bundle of 1.3+ may hold: packet-out, flow_mod, group_mod, port_mod.
bool may_be_bundled(std::uint8_t type) {
  return type >= 13 && type <= 16;
}

}  // namespace

std::span<const WireForm> BundleControl::wire_forms() {
  return kControl;
}
std::span<const WireForm> BundleAdd::wire_forms() {
  return kAdd;
}

Status BundleControl::decode(ByteReader& body, const DecodeContext&, BundleControl& out) {
  out.id = body.u32();
  out.type = static_cast<BundleControlType>(body.u16());
  out.flags = flags_from_wire(body.u16());
  return finished(body, "bundle control");
}

void BundleControl::encode(Encoder& out) const {
  out.out().u32(id);
  out.out().u16(static_cast<std::uint16_t>(type));
  out.out().u16(flags_to_wire(flags));
}

void BundleControl::format(Printer& out) const {
  constexpr std::string_view kNames[] = {"OPEN_REQUEST",    "OPEN_REPLY",     "CLOSE_REQUEST",
                                         "CLOSE_REPLY",     "COMMIT_REQUEST", "COMMIT_REPLY",
                                         "DISCARD_REQUEST", "DISCARD_REPLY"};
  const auto i = static_cast<std::size_t>(type);
  out.put("\n bundle_id={} type={} flags={}\n", field::format_hex(id), i < std::size(kNames) ? kNames[i] : "",
          format_flags(flags));
}

Status BundleAdd::decode(ByteReader& body, const DecodeContext& context, BundleAdd& out) {
  out.id = body.u32();
  body.skip(2);
  out.flags = flags_from_wire(body.u16());
  SLUICE_TRY(finished(body, "bundle_add_message"));
  const Bytes rest = body.rest();
  const auto header = decode_header(rest);
  if (header && header->version != context.version)
    return fail("bundled message of another version (OFPBFC_BAD_VERSION)", OfError::BfcBadVersion);
  if (!header || header->length < kHeaderBytes || header->length > rest.size())
    return fail("bundled message that does not fit (OFPBFC_MSG_BAD_LEN)", OfError::BfcMsgBadLen);
  if (header->xid != context.xid)
    return fail("bundled message with an xid of its own (OFPBFC_MSG_BAD_XID)", OfError::BfcMsgBadXid);
  if (!may_be_bundled(header->type))
    return fail(fmt::format("message type {} in a bundle (OFPBFC_MSG_UNSUP)", header->type),
                OfError::BfcMsgUnsup);
  out.message.assign(rest.begin(), rest.begin() + header->length);
  return {};
}

namespace {

/// Where a record begins that was prepared: no version of OpenFlow.
constexpr std::uint8_t kPrepared = 0;
constexpr std::size_t kPreparedBytes = 1 + sizeof(void*) + 1;
static_assert(kErrorDataBytes <= 0xff);

}  // namespace

BundleMessages::~BundleMessages() {
  while (take())
    if (current_prepared_) owner_->drop(current_prepared_);
}

void BundleMessages::count(const Prepared& prepared) {
  prepared_bytes_ += prepared.bytes;
  constexpr std::size_t kKinds = std::tuple_size_v<decltype(prepared.shared)>;
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    const Prepared::Part& part = prepared.shared[kind];
    // What was counted is still there: one of the messages holds it, so that no other can have its address.
    const auto address = reinterpret_cast<std::uintptr_t>(part.what);
    const void*& counted = counted_[(address >> 4 ^ address >> 12) * kKinds % counted_.size() + kind];
    if (std::exchange(counted, part.what) != part.what) prepared_bytes_ += part.bytes;
  }
}

void BundleMessages::append(Bytes add, const Prepared& prepared) {
  if (prepared.what) add = add.first(std::min(add.size(), kErrorDataBytes));
  const std::size_t needed = add.size() + (prepared.what ? kPreparedBytes : 0);
  if (blocks_.empty() || blocks_.back().bytes.capacity() - blocks_.back().bytes.size() < needed) {
    const std::size_t last = blocks_.empty() ? 0 : blocks_.back().bytes.capacity();
    auto& bytes = blocks_.emplace_back().bytes;
    bytes.reserve(std::max(needed, std::clamp(2 * last, kFirstBlockBytes, kBlockBytes)));
    memory_bytes_ += bytes.capacity();
  }
  auto& bytes = blocks_.back().bytes;
  if (prepared.what) {
    std::uint8_t head[kPreparedBytes] = {kPrepared};
    std::memcpy(head + 1, &prepared.what, sizeof prepared.what);
    head[kPreparedBytes - 1] = static_cast<std::uint8_t>(add.size());
    bytes.insert(bytes.end(), head, head + sizeof head);
    count(prepared);
  }
  bytes.insert(bytes.end(), add.begin(), add.end());
}

bool BundleMessages::take() {
  current_add_ = {};
  current_prepared_ = nullptr;
  if (!blocks_.empty() && blocks_.front().taken == blocks_.front().bytes.size()) {
    memory_bytes_ -= blocks_.front().bytes.capacity();
    blocks_.pop_front();
  }
  if (blocks_.empty()) return false;
  Block& block = blocks_.front();
  Bytes rest = Bytes(block.bytes).subspan(block.taken);
  if (rest.front() == kPrepared) {
    std::memcpy(&current_prepared_, rest.data() + 1, sizeof current_prepared_);
    current_add_ = rest.subspan(kPreparedBytes, rest[kPreparedBytes - 1]);
    block.taken += kPreparedBytes;
  } else {
    current_add_ = rest.first(decode_header(rest)->length);
  }
  block.taken += current_add_.size();
  return true;
}

Result<BundleMessages::Next> BundleMessages::next() {
  current_.reset();
  if (!take()) return Next{};
  if (current_prepared_) return Next{.prepared = current_prepared_};
  // Behind the header of its form, the bundle's id and flags.
  const auto& form = version_ == k13 ? kAdd[1] : kAdd[0];
  const Bytes inner = current_add_.subspan(header_bytes(form, version_) + 8);
  SLUICE_ASSIGN(current_,
                openflow::decode(inner.first(decode_header(inner)->length), {.table_id = table_id_}));
  return Next{.message = &*current_};
}

void BundleAdd::encode(Encoder& out) const {
  out.out().u32(id);
  out.out().u16(0);
  out.out().u16(flags_to_wire(flags));
  out.out().append(message);
}

void BundleAdd::format(Printer& out) const {
  out.put("\n bundle_id={} flags={}\n", field::format_hex(id), format_flags(flags));
  out.text() += print(message, out.options());
}

}  // namespace sluice::openflow
