// What the messages share to read, write and print themselves: their forms on the wire, the contexts of
// encoding, decoding and printing, the concept that each message type meets, and the properties of
// OpenFlow 1.4+.
//
// A message is a value without a version. The version, the transaction id and which of several forms it
// travels in (OFPT_FLOW_MOD or NXT_FLOW_MOD) stand in the Message around it (message.h).
#pragma once

#include <fmt/core.h>

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "action/action.h"
#include "base/bytes.h"
#include "base/result.h"
#include "field/of_error.h"

namespace sluice::openflow {

using action::Names;
using field::fail;
using field::OfError;
using field::OfVersion;

inline constexpr std::uint32_t kNiciraVendor = 0x00002320, kOnfVendor = 0x4f4e4600, kNtrVendor = 0x0000154d;

/// Where a message's type stands: in the OpenFlow header, behind a vendor's number, in a multipart header, or
/// behind a vendor's number in a multipart message.
enum class Frame : std::uint8_t { Plain, Vendor, Request, Reply, VendorRequest, VendorReply };

/// Which of several forms that a version has for one message. A Dialect chooses.
enum class Style : std::uint8_t { Any, Standard, Nicira, Nicira2 };

/// One form of a message on the wire.
struct WireForm {
  std::string_view name;  ///< as ovs-ofctl prints it: "OFPT_HELLO", "NXST_FLOW reply"
  Frame frame;
  std::uint32_t vendor;  ///< 0 unless the frame has one
  std::uint16_t type;
  OfVersion first, last;
  /// Length of a whole message: exactly `length` if step is 0, else that and any multiple of step more.
  std::uint16_t length, step;
  Style style = Style::Any;
};
inline constexpr OfVersion k10 = OfVersion::k10, k11 = OfVersion::k11, k12 = OfVersion::k12,
                           k13 = OfVersion::k13, k14 = OfVersion::k14, k15 = OfVersion::k15;

/// The bytes of a form before its body: header, multipart header, vendor.
std::size_t header_bytes(const WireForm& form, OfVersion version);

class Encoder {
 public:
  Encoder(OfVersion version, const WireForm& form, bool table_id = true)
      : version_(version), form_(form), table_id_(table_id) {}

  OfVersion version() const { return version_; }
  const WireForm& form() const { return form_; }
  bool table_id() const { return table_id_; }  ///< as DecodeContext's
  ByteWriter& out() { return out_; }
  std::size_t size() const { return out_.size(); }

  /// Marks that an entry of a list begins here: a multipart message that grows too long is cut at such
  /// places.
  void entry() { entries_.push_back(out_.size()); }
  const std::vector<std::size_t>& entries() const { return entries_; }

  void text(std::string_view value, std::size_t width);  ///< cut or padded with zeros; always ends in one
  void port(std::uint32_t port);                         ///< 16 bits in 1.0, 32 later

 private:
  OfVersion version_;
  const WireForm& form_;
  bool table_id_;
  ByteWriter out_;
  std::vector<std::size_t> entries_;
};

struct DecodeContext {
  OfVersion version;
  const WireForm* form = nullptr;
  bool table_id = true;  ///< 1.0: the command of a flow_mod carries a table
  std::uint32_t xid = 0;
  unsigned depth = 0;  ///< of messages in messages
};

struct PrintOptions {
  /// As ovs-ofctl's: 0 leaves out what packets hold, 3 adds their bytes.
  int verbosity = 2;
  Names names;
};

/// Appends the text of a message.
class Printer {
 public:
  Printer(std::string& text, OfVersion version, const WireForm& form, const PrintOptions& options)
      : text_(text), version_(version), form_(form), options_(options) {}

  template <typename... A>
  void put(fmt::format_string<A...> format, A&&... arguments) {
    text_ += fmt::vformat(format, fmt::make_format_args(arguments...));
  }
  std::string& text() { return text_; }
  OfVersion version() const { return version_; }
  const WireForm& form() const { return form_; }
  const PrintOptions& options() const { return options_; }
  const Names& names() const { return options_.names; }

  void port(std::uint32_t port);
  void table(std::uint8_t table);

 private:
  std::string& text_;
  OfVersion version_;
  const WireForm& form_;
  const PrintOptions& options_;
};

/// What each message type provides. decode() may leave bytes unread only where the form's length allows them.
template <typename T>
concept MessageType = requires(const T message, T& target, ByteReader& body, const DecodeContext& context,
                               Encoder& encoder, Printer& printer) {
  { T::wire_forms() } -> std::same_as<std::span<const WireForm>>;
  { T::decode(body, context, target) } -> std::same_as<Status>;
  { message.encode(encoder) } -> std::same_as<void>;
  { message.format(printer) } -> std::same_as<void>;
};

/// A message that says all by its type.
template <typename T>
struct Bodiless {
  static Status decode(ByteReader&, const DecodeContext&, T&) { return {}; }
  void encode(Encoder&) const {}
  void format(Printer&) const {}
};

// --- Text

struct BitName {
  std::uint64_t bit;
  std::string_view name;
};
/// "A B 0x80": names of the bits that are set, what has no name in hex, "0" for none.
std::string bit_names(std::uint64_t bits, std::span<const BitName> names, char separator = ' ');
/// Seconds and nanoseconds as action::format_duration() shows them; all ones is an unknown time, shown as it
/// is.
std::string format_time(std::uint32_t seconds, std::uint32_t nanoseconds);
/// "?" for all ones, which is what a switch says that does not count it.
std::string format_count(std::uint64_t count);
/// Sixteen bytes a line, each with the offset of its first byte.
std::string hex_dump(Bytes bytes, bool ascii);

// --- Wire

/// The error of a message or part whose length is not what it must be.
inline tl::unexpected<Error> bad_length(std::string_view what, OfError code = OfError::BrcBadLen) {
  return fail(fmt::format("{}: length does not fit ({})", what, field::of_error_name(code)), code);
}
/// BrcBadLen if the reader has run out.
Status finished(const ByteReader& in, std::string_view what);
/// Text of a fixed width up to its first zero.
std::string take_text(ByteReader& in, std::size_t width);
std::uint32_t take_port(ByteReader& in, OfVersion version);
std::vector<std::uint8_t> take_bytes(ByteReader& in, std::size_t n);
inline std::vector<std::uint8_t> take_rest(ByteReader& in) {
  return take_bytes(in, in.remaining());
}
/// The first n bytes of what remains as a reader of their own.
ByteReader take_part(ByteReader& in, std::size_t n);

/// A property (OpenFlow 1.4.0 section 7.2.1): type, length, body; padded to 8.
struct Property {
  std::uint16_t type = 0;
  std::uint32_t vendor =
      0;  ///< of an experimenter's property (type 0xffff); `type` is then the experimenter's
  std::uint32_t experimenter_type = 0;
  bool experimenter = false;
  Bytes body;  ///< behind type and length, or behind the experimenter's type
};
/// The next property, behind its padding. Errors: OFPBPC_BAD_LEN.
Result<Property> next_property(ByteReader& in);
/// For a property that nobody knows: OFPBPC_BAD_TYPE or OFPBPC_BAD_EXPERIMENTER.
Status unknown_property(const Property& property, std::string_view what);

/// Opens a property; close() pads it and writes its length, padding not counted.
class PropertyWriter {
 public:
  PropertyWriter(ByteWriter& out, std::uint16_t type) : out_(out), start_(out.size()) {
    out_.u16(type);
    out_.u16(0);
  }
  PropertyWriter(ByteWriter& out, std::uint32_t vendor, std::uint32_t type) : PropertyWriter(out, 0xffff) {
    out_.u32(vendor);
    out_.u32(type);
  }
  ~PropertyWriter() {
    out_.patch_u16(start_ + 2, static_cast<std::uint16_t>(out_.size() - start_));
    out_.pad(start_, 8);
  }
  PropertyWriter(const PropertyWriter&) = delete;
  PropertyWriter& operator=(const PropertyWriter&) = delete;

 private:
  ByteWriter& out_;
  std::size_t start_;
};

/// Writes the length of a part that began at `start` into the two bytes at `at`.
inline void patch_length(ByteWriter& out, std::size_t start, std::size_t at) {
  out.patch_u16(at, static_cast<std::uint16_t>(out.size() - start));
}

}  // namespace sluice::openflow
