#include "openflow/bundle.h"

#include <algorithm>

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

void BundleMessages::append(Bytes add) {
  if (blocks_.empty() || blocks_.back().bytes.capacity() - blocks_.back().bytes.size() < add.size()) {
    const std::size_t last = blocks_.empty() ? 0 : blocks_.back().bytes.capacity();
    auto& bytes = blocks_.emplace_back().bytes;
    bytes.reserve(std::max(add.size(), std::clamp(2 * last, kFirstBlockBytes, kBlockBytes)));
    memory_bytes_ += bytes.capacity();
  }
  auto& bytes = blocks_.back().bytes;
  bytes.insert(bytes.end(), add.begin(), add.end());
}

Result<const Message*> BundleMessages::next() {
  current_.reset();
  current_add_ = {};
  if (!blocks_.empty() && blocks_.front().taken == blocks_.front().bytes.size()) {
    memory_bytes_ -= blocks_.front().bytes.capacity();
    blocks_.pop_front();
  }
  if (blocks_.empty()) return nullptr;
  Block& block = blocks_.front();
  const Bytes rest = Bytes(block.bytes).subspan(block.taken);
  current_add_ = rest.first(decode_header(rest)->length);
  block.taken += current_add_.size();
  // Behind the header of its form, the bundle's id and flags.
  const auto& form = version_ == k13 ? kAdd[1] : kAdd[0];
  const Bytes inner = current_add_.subspan(header_bytes(form, version_) + 8);
  SLUICE_ASSIGN(current_,
                openflow::decode(inner.first(decode_header(inner)->length), {.table_id = table_id_}));
  return &*current_;
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
