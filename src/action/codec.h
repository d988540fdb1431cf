// What the actions share to read and write themselves: contexts of parsing, printing, encoding, decoding and
// checking, the concept that each action meets, and the frames of OpenFlow and Nicira actions on the wire.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "action/action.h"

namespace sluice::action {

inline constexpr std::uint32_t kNiciraVendor = 0x00002320;
inline constexpr std::uint32_t kOnfVendor = 0x4f4e4600;

/// Where an action stands, which decides what may stand there.
enum class Place : std::uint8_t { List, Set, CtExec, Clone };

/// One "name", "name:argument" or "name(argument)" of action text; `tail` is what follows "->" behind a
/// parenthesis.
struct Word {
  std::string_view name, argument, tail;
  bool has_argument = false;  ///< "name:" has an empty one, "name" has none
};

struct ParseContext {
  Names names;
  Place place = Place::List;
  unsigned depth = 0;
};

struct CheckContext {
  flow::Match match;  ///< what the packet is known to be here: earlier actions may have changed it
  CheckOptions options;
  Protocols usable;  ///< what remains after soft inconsistencies
  Place place = Place::List;
  unsigned depth = 0;
};

/// Appends actions of one OpenFlow version.
class Encoder {
 public:
  Encoder(ByteWriter& out, OfVersion version) : out_(out), version_(version) {}

  OfVersion version() const { return version_; }
  ByteWriter& out() { return out_; }

  /// Opens an action; its body follows in out(); end() pads it to 8 bytes and writes its length.
  void begin(std::uint16_t type);
  void begin_nicira(std::uint16_t subtype);
  void end();
  /// An action that is an integer of one to four bytes in an eight-byte frame.
  void simple(std::uint16_t type, std::uint32_t value, unsigned bytes);
  void nicira_simple(std::uint16_t subtype, std::uint32_t value, unsigned bytes);

  /// Whether the packet has a VLAN tag at this point, as far as the list tells: set_vlan_vid of OpenFlow 1.0
  /// pushes one where there is none, later versions must say so.
  bool has_vlan = false;

 private:
  ByteWriter& out_;
  OfVersion version_;
  std::vector<std::size_t> starts_;
};

struct DecodeContext {
  OfVersion version;
  Place place = Place::List;
  unsigned depth = 0;
};

/// One form of an action on the wire. `type` counts within `vendor` (0: OpenFlow's own).
struct WireForm {
  std::uint32_t vendor;
  std::uint16_t type;
  OfVersion first, last;
  std::uint16_t min_length;
  bool exact_length;
  /// `body` begins after the length (OpenFlow's own) or the subtype (vendors').
  Status (*decode)(ByteReader& body, const DecodeContext& context, ActionList& out);
};

/// What each action type provides. kNames: first words of its text; kWire: its forms on the wire.
template <typename T>
concept ActionType = requires(const T action, const Word& word, const ParseContext& parse_context,
                              ActionList& list, std::string& text, const Names& names, Encoder& encoder,
                              CheckContext& check_context, Translation& translation) {
  { std::span<const std::string_view>(T::kNames) };
  { T::wire_forms() } -> std::same_as<std::span<const WireForm>>;
  { T::parse(word, parse_context, list) } -> std::same_as<Status>;
  { action.format(text, names) } -> std::same_as<void>;
  { action.encode(encoder) } -> std::same_as<void>;
  { action.check(check_context) } -> std::same_as<Status>;
  { action.translate(translation) };
  { action == action } -> std::same_as<bool>;
};

// --- Text

/// The next word of "a:1,b(c,d),e=[f,g]"; commas and blanks separate. Moves `text` behind it; nothing at the
/// end.
std::optional<Word> next_word(std::string_view& text);
std::string_view trim(std::string_view text);
/// The next comma-separated item, blanks around it cut off, possibly empty; nothing at the end of the text.
std::optional<std::string_view> next_item(std::string_view& text);

/// Decimal or 0x hex up to `max`; the error says `invalid WHAT "text"` and the range.
Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t max, std::string_view what);
/// An integer of up to 128 bits, decimal or 0x hex.
Result<field::FieldValue> parse_wide(std::string_view text, std::string_view what);
/// Hex digits in pairs, dots between pairs allowed.
Result<std::vector<std::uint8_t>> parse_hex_bytes(std::string_view text, std::string_view what);
std::string format_hex_bytes(Bytes bytes);
std::string hex(field::FieldValue value);      ///< "0x1f"
std::string format_duration(std::int64_t ns);  ///< in seconds: "1.005", "2", "0.000000017"

/// A port by number, reserved name or, with names, its own name.
std::optional<std::uint32_t> parse_port(std::string_view text, const Names& names);
std::string format_port(std::uint32_t port, const Names& names);
std::optional<std::uint8_t> parse_table(std::string_view text, const Names& names);
std::string format_table(std::uint8_t table, const Names& names);
/// "VALUE->FIELD": the two sides. The error is ovs-ofctl's: "TEXT: missing `->'".
Result<std::pair<std::string_view, std::string_view>> split_arrow(std::string_view text);

// --- Wire

/// The 32-bit header (64-bit for experimenter fields) of a field, unmasked.
void encode_header(field::FieldId id, OfVersion version, ByteWriter& out);
/// @param unknown  the error for what is no field's. Open vSwitch has two: BacBadSetType for older actions,
///                 BmcBadField for those that read the header as they read that of a match (a mask is then
///                 BmcBadMask).
Result<const field::FieldSpec*> decode_header(ByteReader& in,
                                              field::OfError unknown = field::OfError::BacBadSetType);
/// ofs << 6 | (width - 1).
constexpr std::uint16_t offset_width(const field::Subfield& sub) {
  return static_cast<std::uint16_t>(sub.offset << 6 | (sub.width - 1));
}
/// An error if the subfield leaves its field (OFPBAC_BAD_SET_LEN).
Result<field::Subfield> make_subfield(const field::FieldSpec& spec, unsigned offset, unsigned width);

/// 1.0 ports have 16 bits: reserved ones are 0xffXX there.
constexpr std::uint16_t port_to_16(std::uint32_t port) {
  return static_cast<std::uint16_t>(port);
}
constexpr std::uint32_t port_from_16(std::uint16_t port) {
  return port >= 0xff00 ? 0xffff0000u | port : port;
}

// --- Checks

/// OFPBAC_BAD_SET_ARGUMENT if the field can't be written here, OFPBAC_MATCH_INCONSISTENT if the match lacks
/// its prerequisites.
Status check_writable(const CheckContext& context, const field::Subfield& sub, std::string_view action);
Status check_readable(const CheckContext& context, const field::Subfield& sub, std::string_view action);
/// What OpenFlow 1.0 lets pass and later versions refuse: an action on a header that the match doesn't
/// promise. Takes those later versions from context.usable, and is an error where they are what is checked
/// for.
Status require_softly(CheckContext& context, bool met, std::string_view action, std::string_view needs);
bool matches_vlan(const flow::Match& match);
/// From here on the packet surely has this value.
void set_known(flow::Match& match, field::FieldId id, field::FieldValue value);
std::optional<std::uint16_t> known_eth_type(const flow::Match& match);
std::optional<std::uint8_t> known_ip_proto(const flow::Match& match);
Status check_list(const ActionList& actions, CheckContext& context);

/// Nested lists deeper than this are refused.
inline constexpr unsigned kMaxDepth = 16;

Status parse_list(std::string_view text, const ParseContext& context, ActionList& out);
void format_list(const ActionList& actions, std::string& out, const Names& names);
void encode_list(const ActionList& actions, Encoder& out);
Status decode_list(Bytes bytes, const DecodeContext& context, ActionList& out);

}  // namespace sluice::action
