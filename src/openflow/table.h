// Tables: TABLE_MOD, TABLE_DESC and TABLE_STATUS (what a table does when it is full), TABLE statistics and
// TABLE_FEATURES (what it can match and do; before 1.3 a part of the statistics).
#pragma once

#include <array>
#include <bitset>

#include "openflow/codec.h"

namespace sluice::openflow {

/// What happens to packets that match no flow (1.1 and 1.2).
enum class TableMiss : std::uint8_t { Default, Controller, Continue, Drop };

/// When a table's free space should be told of (1.4+), in percent of its room.
struct Vacancy {
  std::uint8_t down = 0, up = 0, current = 0;
};

struct TableMod {
  std::uint8_t table = action::kNoTable;  ///< kNoTable: all
  TableMiss miss = TableMiss::Default;    ///< 1.1, 1.2
  std::optional<bool> eviction;           ///< 1.4+
  std::optional<std::uint32_t> eviction_flags;
  std::optional<Vacancy> vacancy;  ///< events are on; nothing: off

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, TableMod& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct TableDescription {
  std::uint8_t table = 0;
  bool eviction = false;
  std::optional<std::uint32_t> eviction_flags;  ///< OFPTMPEF14_*: by other means, importance, lifetime
  std::optional<Vacancy> vacancy;
};

struct TableDescRequest : Bodiless<TableDescRequest> {
  static std::span<const WireForm> wire_forms();
};
struct TableDescReply {
  std::vector<TableDescription> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, TableDescReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

enum class TableReason : std::uint8_t { VacancyDown = 3, VacancyUp = 4 };

struct TableStatus {
  TableReason reason = TableReason::VacancyDown;
  TableDescription description;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, TableStatus& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

using FieldSet = std::bitset<field::kFieldCount>;

/// What a table can do: with packets that match a flow, or with those that match none.
struct TableAbilities {
  std::bitset<256> next;           ///< tables that a goto may lead to
  std::uint32_t instructions = 0;  ///< bit n is OpenFlow's instruction type n; meter is bit 6
  struct Actions {
    std::uint32_t actions = 0;  ///< bit n is action type n
    FieldSet set_fields;
    bool operator==(const Actions&) const = default;
  } write, apply;
  bool operator==(const TableAbilities&) const = default;
};

/// What a request wants with a table (OpenFlow 1.5.1 section 7.3.5.18.1); before 1.5 always Replace.
enum class TableCommand : std::uint8_t { Replace, Modify, Enable, Disable };

struct TableFeatures {
  std::uint8_t table = 0;
  TableCommand command = TableCommand::Replace;
  std::string name;
  std::uint64_t metadata_match = 0, metadata_write = 0;
  std::uint32_t max_entries = 0;
  TableMiss miss_config = TableMiss::Default;    ///< 1.1, 1.2
  std::optional<bool> eviction, vacancy_events;  ///< whether it can: 1.4+
  TableAbilities hit, miss;
  FieldSet match;                ///< fields that can be matched
  FieldSet mask;                 ///< those among them under any mask
  FieldSet wildcard;             ///< those that need not be matched
  std::uint32_t properties = 0;  ///< bit n: property n was there when it was read

  bool operator==(const TableFeatures&) const = default;
};

struct TableCounters {
  std::uint8_t table = 0;
  std::uint32_t active = 0;
  std::uint64_t lookups = 0, matched = 0;
};

struct TableStatsRequest : Bodiless<TableStatsRequest> {
  static std::span<const WireForm> wire_forms();
};
struct TableStatsReply {
  struct Entry {
    TableCounters counters;
    TableFeatures features;  ///< before 1.3
  };
  std::vector<Entry> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, TableStatsReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct TableFeaturesReply {
  std::vector<TableFeatures> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, TableFeaturesReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};
/// With entries it asks to change the features.
struct TableFeaturesRequest {
  std::vector<std::uint8_t> entries;  ///< as they came

  /// What the entries ask for.
  /// Errors: OFPTFFC_BAD_TABLE of table 255; OFPBPC_BAD_TYPE, BAD_EXPERIMENTER, OFPBMC_BAD_FIELD of what is
  /// unknown; OFPTFFC_BAD_COMMAND; OFPTFFC_BAD_FEATURES without the properties that there must be: before 1.5
  /// always, since then if there are any; NXTFFC_DUP_TABLE.
  Result<TableFeaturesReply> parsed(OfVersion version) const;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, TableFeaturesRequest& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

/// "metadata in_{port,port_oxm} reg0...reg15 eth_{src,dst}": in the order and the way of ovs-ofctl.
std::string format_field_set(const FieldSet& fields);

}  // namespace sluice::openflow
