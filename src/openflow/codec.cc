#include "openflow/codec.h"

#include <algorithm>

#include "action/codec.h"

namespace sluice::openflow {

std::size_t header_bytes(const WireForm& form, OfVersion version) {
  const std::size_t multipart = version == k10 ? 12 : 16;
  switch (form.frame) {
    case Frame::Plain:
      return 8;
    case Frame::Vendor:
      return 16;
    case Frame::Request:
    case Frame::Reply:
      return multipart;
    case Frame::VendorRequest:
    case Frame::VendorReply:
      return 24;
  }
  return 8;
}

void Encoder::text(std::string_view value, std::size_t width) {
  value = value.substr(0, std::min(value.find('\0'), width - 1));
  out_.append(Bytes(reinterpret_cast<const std::uint8_t*>(value.data()), value.size()));
  out_.zeros(width - value.size());
}

void Encoder::port(std::uint32_t number) {
  if (version_ == k10)
    out_.u16(action::port_to_16(number));
  else
    out_.u32(number);
}

void Printer::port(std::uint32_t number) {
  text_ += field::format_port(number, options_.names.ports);
}
void Printer::table(std::uint8_t number) {
  text_ += action::format_table(number, options_.names);
}

std::string bit_names(std::uint64_t bits, std::span<const BitName> names, char separator) {
  if (bits == 0) return "0";
  std::string text;
  for (const BitName& name : names) {
    if ((bits & name.bit) == 0) continue;
    if (!text.empty()) text += separator;
    text += name.name;
    bits &= ~name.bit;
  }
  if (bits != 0) {
    if (!text.empty()) text += separator;
    text += fmt::format("{:#x}", bits);
  }
  return text;
}

std::string format_time(std::uint32_t seconds, std::uint32_t nanoseconds) {
  if (nanoseconds >= 1'000'000'000) return fmt::format("{}.{}", seconds, nanoseconds);
  return action::format_duration(std::int64_t{seconds} * 1'000'000'000 + nanoseconds);
}
std::string format_count(std::uint64_t count) {
  return count == ~std::uint64_t{0} ? "?" : std::to_string(count);
}

std::string hex_dump(Bytes bytes, bool ascii) {
  std::string text;
  for (std::size_t line = 0; line < bytes.size(); line += 16) {
    const Bytes part = bytes.subspan(line, std::min<std::size_t>(16, bytes.size() - line));
    text += fmt::format("{:08x} ", line);
    for (std::size_t i = 0; i < part.size(); ++i)
      text += fmt::format("{}{:02x}", i == 8 ? '-' : ' ', part[i]);
    if (ascii) {
      // A line of exactly eight bytes ends in the dash.
      if (part.size() == 8) text += '-';
      text.append((16 - part.size()) * 3 + (part.size() == 8 ? 0 : 1), ' ');
      text += '|';
      for (const std::uint8_t byte : part)
        text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.';
      text.append(16 - part.size(), ' ');
      text += '|';
    }
    text += '\n';
  }
  return text;
}

Status finished(const ByteReader& in, std::string_view what) {
  return in.ok() ? Status{} : bad_length(what);
}

std::string take_text(ByteReader& in, std::size_t width) {
  const Bytes bytes = in.take(width);
  const auto end = std::find(bytes.begin(), bytes.end(), 0);
  return {bytes.begin(), end};
}

std::uint32_t take_port(ByteReader& in, OfVersion version) {
  return version == k10 ? action::port_from_16(in.u16()) : in.u32();
}

std::vector<std::uint8_t> take_bytes(ByteReader& in, std::size_t n) {
  const Bytes bytes = in.take(n);
  return {bytes.begin(), bytes.end()};
}

ByteReader take_part(ByteReader& in, std::size_t n) {
  return ByteReader(in.take(n));
}

Result<Property> next_property(ByteReader& in) {
  const std::size_t before = in.remaining();
  Property property;
  property.type = in.u16();
  const std::size_t length = in.u16();
  if (!in.ok() || length < 4 || length > before) return bad_length("property", OfError::BpcBadLen);
  ByteReader body(in.take(length - 4));
  // Padding may be missing at the end.
  in.skip(std::min((8 - length % 8) % 8, in.remaining()));
  if (property.type == 0xffff) {
    property.experimenter = true;
    property.vendor = body.u32();
    property.experimenter_type = body.u32();
    if (!body.ok()) return bad_length("property of an experimenter", OfError::BpcBadLen);
  }
  property.body = body.rest();
  return property;
}

Status unknown_property(const Property& property, std::string_view what) {
  const bool known_vendor =
      property.vendor == kNiciraVendor || property.vendor == kOnfVendor || property.vendor == kNtrVendor;
  if (property.experimenter && known_vendor)
    return fail(fmt::format("{}: unknown property {} of experimenter {:#x} (OFPBPC_BAD_EXP_TYPE)", what,
                            property.experimenter_type, property.vendor),
                OfError::BpcBadExpType);
  if (property.experimenter)
    return fail(fmt::format("{}: unknown property of experimenter {:#x} (OFPBPC_BAD_EXPERIMENTER)", what,
                            property.vendor),
                OfError::BpcBadExperimenter);
  return fail(fmt::format("{}: unknown property {:#x} (OFPBPC_BAD_TYPE)", what, property.type),
              OfError::BpcBadType);
}

}  // namespace sluice::openflow
