#include "openflow/hello.h"

#include <algorithm>
#include <bit>

#include "openflow/hello_elements.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kForms[] = {{"OFPT_HELLO", Frame::Plain, 0, 0, k10, k15, 8, 1}};
constexpr std::uint16_t kVersionBitmap = 1;

constexpr std::uint32_t up_to(unsigned version) {
  return version >= 31 ? ~1u : (2u << version) - 2;
}

}  // namespace

std::span<const WireForm> Hello::wire_forms() {
  return kForms;
}

Status Hello::decode(ByteReader& body, const DecodeContext& context, Hello& out) {
  out.versions = up_to(static_cast<unsigned>(context.version));
  while (body.remaining() >= 4) {
    const std::size_t before = body.remaining();
    const std::uint16_t type = body.u16(), length = body.u16();
    if (length < 4 || length > before) break;
    ByteReader element = take_part(body, length - 4u);
    body.skip(std::min<std::size_t>((8 - length % 8) % 8, body.remaining()));
    if (type != kVersionBitmap || element.remaining() < 4) continue;
    // Only the first word can name versions that exist; no version at all is no answer.
    const std::uint32_t versions = element.u32() & ~1u;
    if (versions != 0) out.versions = versions;
  }
  return {};
}

bool understands_hello(Bytes elements) {
  ByteReader in(elements);
  while (in.remaining() > 0) {
    const std::size_t available = in.remaining();
    const std::uint16_t type = in.u16(), length = in.u16();
    constexpr std::size_t kLeast = 8;  // with one word of the bitmap
    const std::size_t padded = (length + 7u) / 8 * 8;
    if (!in.ok() || type != kVersionBitmap || length < kLeast || padded > available) return false;
    if ((in.u32() & ~1u) == 0) return false;
    in.skip(padded - kLeast);
  }
  return true;
}

void Hello::encode(Encoder& out) const {
  if (versions == up_to(static_cast<unsigned>(out.version()))) return;
  PropertyWriter element(out.out(), kVersionBitmap);
  out.out().u32(versions);
}

void Hello::format(Printer& out) const {
  out.put("\n version bitmap: ");
  bool first = true;
  for (unsigned version = 1; version < 32; ++version) {
    if ((versions >> version & 1) == 0) continue;
    out.put("{}{:#04x}", first ? "" : ", ", version);
    first = false;
  }
  out.put("\n");
}

std::optional<OfVersion> highest_version(std::uint32_t versions) {
  versions &= up_to(static_cast<unsigned>(k15));
  if (versions == 0) return std::nullopt;
  return static_cast<OfVersion>(31 - std::countl_zero(versions));
}

std::optional<OfVersion> negotiate(std::uint32_t ours, std::uint32_t theirs) {
  return highest_version(ours & theirs);
}

}  // namespace sluice::openflow
