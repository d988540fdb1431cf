// OpenFlow actions and instructions as values. A file pair an action (output.h, output.cc, …), each with a
// struct that knows how to parse, format, encode, decode, check and translate itself. ActionList is what a
// flow carries.
//
// Instructions are actions too: apply_actions is the list itself, the others (meter, clear_actions,
// write_actions, write_metadata, goto_table) stand in it in OpenFlow's order of execution. all_actions.h has
// the variant that holds any of them; include it only where single actions are looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "field/field.h"
#include "field/of_error.h"
#include "field/oxm.h"
#include "flow/flow_key.h"

namespace sluice::action {

using field::OfVersion;

/// Reserved OpenFlow port numbers (OpenFlow 1.0 numbering widened to 32 bits as OFPP_* of 1.1+).
namespace of_port {
inline constexpr std::uint32_t kMax = 0xffffff00, kUnset = 0xfffffff7, kInPort = 0xfffffff8,
                               kTable = 0xfffffff9, kNormal = 0xfffffffa, kFlood = 0xfffffffb,
                               kAll = 0xfffffffc, kController = 0xfffffffd, kLocal = 0xfffffffe,
                               kNone = 0xffffffff;
}  // namespace of_port

/// "The table that the flow is in", and "no table": never a table's number.
inline constexpr std::uint8_t kNoTable = 0xff;

struct Action;  // all_actions.h
class Translation;

/// A flow's actions in order of execution. Copies are deep.
class ActionList {
 public:
  ActionList();
  ActionList(const ActionList& other);
  ActionList(ActionList&& other) noexcept;
  ActionList& operator=(const ActionList& other);
  ActionList& operator=(ActionList&& other) noexcept;
  ~ActionList();

  bool empty() const { return actions_.empty(); }
  std::size_t size() const;
  const Action* begin() const;
  const Action* end() const;
  Action* begin();
  Action* end();
  const Action& operator[](std::size_t i) const;
  void push_back(Action action);
  void append(ActionList other);
  bool operator==(const ActionList& other) const;

 private:
  std::vector<Action> actions_;
};

/// Names of flow tables, in text that a switch with named tables reads and prints.
struct TableNames {
  virtual ~TableNames() = default;
  virtual std::optional<std::uint8_t> table_number(std::string_view name) const = 0;
  virtual std::optional<std::string> table_name(std::uint8_t table) const = 0;
};

/// Resolves names in text; either may be null, which leaves numbers.
struct Names {
  const field::NameResolver* ports = nullptr;
  const TableNames* tables = nullptr;
};

/// Which OpenFlow versions and flow formats can carry a flow: ovs-ofctl's "usable protocols".
class Protocols {
 public:
  enum Bit : std::uint16_t {
    kOf10 = 1,
    kOf10TableId = 2,
    kNxm = 4,
    kNxmTableId = 8,
    kOf11 = 0x10,
    kOf12 = 0x20,
    kOf13 = 0x40,
    kOf14 = 0x80,
    kOf15 = 0x100,
  };
  static constexpr std::uint16_t kAnyNxm = kNxm | kNxmTableId, kAnyOxm = kOf12 | kOf13 | kOf14 | kOf15,
                                 kAnyOf10 = kOf10 | kOf10TableId, kOf13Up = kOf13 | kOf14 | kOf15,
                                 kNxmOrOxm = kAnyNxm | kAnyOxm, kOf11Up = kOf11 | kAnyOxm,
                                 kAll = kAnyOf10 | kNxmOrOxm | kOf11;

  constexpr Protocols(std::uint16_t bits = kAll) : bits_(bits) {}  // NOLINT: a set of bits
  constexpr std::uint16_t bits() const { return bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool has(Bit bit) const { return (bits_ & bit) != 0; }
  constexpr Protocols operator&(Protocols other) const {
    return static_cast<std::uint16_t>(bits_ & other.bits_);
  }
  constexpr bool operator==(const Protocols&) const = default;

 private:
  std::uint16_t bits_;
};
/// "any", "NXM,OXM", "OpenFlow10,NXM", "none".
std::string format_protocols(Protocols protocols);

/// "1,set_field:5->reg0,goto_table:3". Instructions must come in OpenFlow's order. The error names the action
/// and what was expected. Says nothing about prerequisites: see check().
Result<ActionList> parse_actions(std::string_view text, const Names& names = {});
/// As ovs-ofctl prints it, "drop" if empty.
std::string format_actions(const ActionList& actions, const Names& names = {});

/// A list of actions; instructions in it travel as their nearest relatives (goto_table: resubmit) or are left
/// out, as OpenFlow 1.0 has to have it.
void encode_actions(const ActionList& actions, OfVersion version, ByteWriter& out);
/// Errors name the byte offset and carry an OFPBAC code.
Result<ActionList> decode_actions(Bytes bytes, OfVersion version);
/// OpenFlow 1.1+: the instructions of a flow.
void encode_instructions(const ActionList& actions, OfVersion version, ByteWriter& out);
Result<ActionList> decode_instructions(Bytes bytes, OfVersion version);
/// What a switch that speaks only this version would read back: decode(encode(actions)).
Result<ActionList> as_seen_by(const ActionList& actions, OfVersion version);

struct CheckOptions {
  std::uint8_t table = 0;  ///< the flow's own: goto_table must lead further
  std::uint32_t max_ports = of_port::kMax;
  OfVersion version =
      OfVersion::k10;  ///< 1.0 lets actions through that don't fit the match; later ones refuse
};
/// Records in the actions what their form on the wire takes from the match: set_vlan_vid whether it has to
/// push a tag, mod_tp_src which protocol's port it is. To be called once for a flow, after parsing or
/// decoding it.
void settle(ActionList& actions, const flow::Match& match);
/// Whether the actions make sense for what the match lets through: prerequisites, writable fields, tables,
/// ports.
Status check(const ActionList& actions, const flow::Match& match, const CheckOptions& options = {});
/// Refuses what parses but can't run yet, by name: "learn is not yet supported". For whoever adds a flow to a
/// switch.
Status check_executable(const ActionList& actions);
/// The protocols that can express the actions.
Protocols usable_protocols(const ActionList& actions, const flow::Match& match);

/// Runs the actions on a translation, in order, until the end, exit, or an exhausted TTL.
void translate(const ActionList& actions, Translation& translation);

}  // namespace sluice::action
