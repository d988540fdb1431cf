// What falls from the list of all actions: the value semantics of ActionList, and parsing, printing,
// encoding, decoding, checking and translating a list of them.
#include <algorithm>
#include <tuple>

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

// --- Values

Action::Action(const Action& other) = default;
Action::Action(Action&& other) noexcept = default;
Action& Action::operator=(const Action& other) = default;
Action& Action::operator=(Action&& other) noexcept = default;
Action::~Action() = default;

bool operator==(const Action& a, const Action& b) {
  return a.variant() == b.variant();
}

ActionList::ActionList() = default;
ActionList::ActionList(const ActionList& other) = default;
ActionList::ActionList(ActionList&& other) noexcept = default;
ActionList& ActionList::operator=(const ActionList& other) = default;
ActionList& ActionList::operator=(ActionList&& other) noexcept = default;
ActionList::~ActionList() = default;

std::size_t ActionList::size() const {
  return actions_.size();
}
const Action* ActionList::begin() const {
  return actions_.data();
}
const Action* ActionList::end() const {
  return actions_.data() + actions_.size();
}
Action* ActionList::begin() {
  return actions_.data();
}
Action* ActionList::end() {
  return actions_.data() + actions_.size();
}
const Action& ActionList::operator[](std::size_t i) const {
  return actions_[i];
}
void ActionList::push_back(Action action) {
  actions_.push_back(std::move(action));
}
void ActionList::append(ActionList other) {
  for (Action& action : other.actions_) actions_.push_back(std::move(action));
}
bool ActionList::operator==(const ActionList& other) const {
  return actions_ == other.actions_;
}

namespace {

// --- Order of instructions

/// OpenFlow's order of execution; everything that is no instruction of its own belongs to apply_actions.
enum class Rank : std::uint8_t { Meter, Apply, Clear, Write, Metadata, Goto };
constexpr std::string_view kRankNames[] = {"meter",         "apply_actions",  "clear_actions",
                                           "write_actions", "write_metadata", "goto_table"};

Rank rank_of(const Action& action) {
  if (as<Meter>(action)) return Rank::Meter;
  if (as<ClearActions>(action)) return Rank::Clear;
  if (as<WriteActions>(action)) return Rank::Write;
  if (as<WriteMetadata>(action)) return Rank::Metadata;
  if (as<GotoTable>(action)) return Rank::Goto;
  return Rank::Apply;
}

/// The text name under which errors speak of an action.
std::string_view name_of(const Action& action) {
  return std::visit([](const auto& a) { return std::decay_t<decltype(a)>::kNames[0]; }, action.variant());
}

/// The field that an action of ct's exec() writes, if it is of a kind that may stand there.
std::optional<field::FieldId> written_field(const Action& action) {
  if (const auto* set = as<SetField>(action)) return set->field;
  if (const auto* load = as<Load>(action)) return load->destination.field;
  if (const auto* move = as<Move>(action)) return move->destination.field;
  return std::nullopt;
}

/// ct_mark and ct_label are written inside ct, and nothing else is.
Status check_ct_fields(const Action& action, Place place) {
  const auto written = written_field(action);
  const bool ct_field = written == field::FieldId::CtMark || written == field::FieldId::CtLabel;
  if (place != Place::CtExec && ct_field)
    return fail("cannot set CT fields outside of ct action (OFPBAC_BAD_SET_ARGUMENT)",
                OfError::BacBadSetArgument);
  if (place != Place::CtExec || ct_field || as<NatAction>(action)) return {};
  if (written)
    return fail("ct action doesn't support nested modification of " +
                    std::string(field::spec(*written).name) + " (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  return fail(
      "ct action doesn't support nested action " + std::string(name_of(action)) + " (OFPBAC_BAD_ARGUMENT)",
      OfError::BacBadArgument);
}

/// What must hold of a list wherever it came from.
Status check_order(const ActionList& actions, Place place) {
  std::optional<Rank> last;
  const Action* conjunction = nullptr;
  const Action* other = nullptr;
  for (const Action& action : actions) {
    const Rank rank = rank_of(action);
    if (place != Place::List && rank != Rank::Apply)
      return fail(std::string(kRankNames[static_cast<unsigned>(rank)]) + " instruction not allowed here",
                  OfError::BacBadType);
    if (as<NatAction>(action) && place != Place::CtExec)
      return fail("Cannot have NAT action outside of \"ct\" action (OFPBAC_BAD_SET_ARGUMENT)",
                  OfError::BacBadSetArgument);
    SLUICE_TRY(check_ct_fields(action, place));
    if (as<Conjunction>(action))
      conjunction = &action;
    else if (!as<Note>(action) && other == nullptr)
      other = &action;

    if (last && rank < *last)
      return fail("invalid instruction ordering: " + std::string(kRankNames[static_cast<unsigned>(rank)]) +
                      " must appear before " + std::string(kRankNames[static_cast<unsigned>(*last)]) +
                      ", for OpenFlow 1.1+ compatibility",
                  OfError::BacUnsupportedOrder);
    if (last == rank && rank != Rank::Apply)
      return fail("duplicate " + std::string(kRankNames[static_cast<unsigned>(rank)]) +
                      " instruction not allowed, for OpenFlow 1.1+ compatibility",
                  OfError::BicDupInst);
    last = rank;
  }
  if (conjunction != nullptr && other != nullptr)
    return fail(
        "\"conjunction\" actions may be used along with \"note\" but not any other kind of action (such as "
        "the \"" +
            std::string(name_of(*other)) + "\" action used here)",
        OfError::BacBadConjunction);
  return {};
}

/// An action set knows what OpenFlow gives a place in its order, what rewrites fields, and what leads on.
Status check_set(const ActionList& actions) {
  const auto refused = [](const Action& action) {
    return as<OutputTruncated>(action) || as<OutputReg>(action) || as<Enqueue>(action) ||
           as<Controller>(action) || as<Bundle>(action) || as<Multipath>(action) || as<StackPush>(action) ||
           as<StackPop>(action) || as<PopQueue>(action) || as<FinTimeout>(action) || as<Clone>(action) ||
           as<Learn>(action) || as<Conjunction>(action) || as<Note>(action) || as<Sample>(action) ||
           as<Exit>(action) || as<CheckPktLarger>(action) || as<DeleteField>(action);
  };
  const auto* const found = std::find_if(actions.begin(), actions.end(), refused);
  if (found == actions.end()) return {};
  return fail(std::string(name_of(*found)) + " in an action set (OFPBAC_BAD_TYPE)", OfError::BacBadType);
}

// --- Text

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i];
    if (c != b[i]) return false;
  }
  return true;
}

using Parser = Status (*)(const Word&, const ParseContext&, ActionList&);

Parser find_parser(std::string_view name) {
  Parser parser = nullptr;
  AllActions::any([&]<typename T>() {
    for (const std::string_view own : T::kNames) {
      if (!same_name(name, own)) continue;
      parser = &T::parse;
      return true;
    }
    return false;
  });
  return parser;
}

// --- Wire

/// All forms by vendor and type, those of one type in the order of the list of actions.
const std::vector<const WireForm*>& all_forms() {
  static const std::vector<const WireForm*> forms = [] {
    std::vector<const WireForm*> all;
    AllActions::any([&]<typename T>() {
      for (const WireForm& form : T::wire_forms()) all.push_back(&form);
      return false;
    });
    std::stable_sort(all.begin(), all.end(), [](const WireForm* a, const WireForm* b) {
      return std::tie(a->vendor, a->type) < std::tie(b->vendor, b->type);
    });
    return all;
  }();
  return forms;
}

const WireForm* find_form(std::uint32_t vendor, std::uint16_t type, OfVersion version) {
  const auto& all = all_forms();
  for (auto form = std::lower_bound(
           all.begin(), all.end(), std::tie(vendor, type),
           [](const WireForm* a, const auto& wanted) { return std::tie(a->vendor, a->type) < wanted; });
       form != all.end() && (*form)->vendor == vendor && (*form)->type == type; ++form)
    if ((*form)->first <= version && version <= (*form)->last) return *form;
  return nullptr;
}

Status decode_action(ByteReader& in, const DecodeContext& context, ActionList& out) {
  const std::size_t remaining = in.remaining();
  const auto bad_length = [&](unsigned length) {
    return fail("action of length " + std::to_string(length) + " in " + std::to_string(remaining) +
                    " bytes: expected a multiple of 8 that fits (OFPBAC_BAD_LEN)",
                OfError::BacBadLen);
  };
  // Which action it is comes first: nobody can say how long an unknown one should be.
  ByteReader body = in;
  std::uint16_t type = body.u16();
  const std::uint16_t length = body.u16();
  if (!body.ok()) return bad_length(length);
  std::uint32_t vendor = 0;
  if (type == 0xffff) {
    vendor = body.u32();
    if (body.ok() && vendor != kNiciraVendor && vendor != kOnfVendor)
      return fail("unknown action vendor " + hex(vendor) + " (OFPBAC_BAD_VENDOR)",
                  OfError::BacBadExperimenter);
    if (length < 16) return bad_length(length);
    type = body.u16();
    if (!body.ok()) return bad_length(length);
  }
  const WireForm* form = find_form(vendor, type, context.version);
  if (form == nullptr)
    return vendor == 0 ? fail("unknown action type " + std::to_string(type) + " (OFPBAC_BAD_TYPE)",
                              OfError::BacBadType)
                       : fail("unknown action type " + std::to_string(type) + " of vendor " + hex(vendor) +
                                  " (OFPBAC_BAD_VENDOR_TYPE)",
                              OfError::BacBadExpType);
  if (length < 8 || length % 8 != 0 || length > remaining) return bad_length(length);
  if (length < form->min_length || (form->exact_length && length != form->min_length))
    return fail("action type " + std::to_string(type) + " of " + std::to_string(length) +
                    " bytes: expected " + std::to_string(form->min_length) + " (OFPBAC_BAD_LEN)",
                OfError::BacBadLen);
  const std::size_t header = remaining - body.remaining();
  in.skip(header);
  body = ByteReader(in.take(length - header));
  SLUICE_TRY(form->decode(body, context, out));
  if (!body.ok())
    return fail("action type " + std::to_string(type) + " ends early (OFPBAC_BAD_LEN)", OfError::BacBadLen);
  return {};
}

/// An error with the place where it happened in front.
Status at(Status status, std::size_t offset) {
  if (!status)
    status.error().message = "bad action at offset " + std::to_string(offset) + ": " + status.error().message;
  return status;
}

enum Instruction : std::uint16_t {
  kGotoTable = 1,
  kWriteMetadata = 2,
  kWriteActions = 3,
  kApplyActions = 4,
  kClearActions = 5,
  kMeter = 6,
  kExperimenter = 0xffff
};

Rank rank_of_instruction(std::uint16_t type) {
  switch (type) {
    case kMeter:
      return Rank::Meter;
    case kClearActions:
      return Rank::Clear;
    case kWriteActions:
      return Rank::Write;
    case kWriteMetadata:
      return Rank::Metadata;
    case kGotoTable:
      return Rank::Goto;
    default:
      return Rank::Apply;
  }
}

}  // namespace

Status parse_list(std::string_view text, const ParseContext& context, ActionList& out) {
  if (context.depth > kMaxDepth) return fail("actions nested deeper than " + std::to_string(kMaxDepth));
  bool dropped = false;
  unsigned words = 0;
  while (const auto word = next_word(text)) {
    ++words;
    if (const Parser parser = find_parser(word->name)) {
      SLUICE_TRY(parser(*word, context, out));
    } else if (same_name(word->name, "apply_actions")) {
      return fail("apply_actions is the default instruction");
    } else if (same_name(word->name, "drop")) {
      dropped = true;
    } else if (const auto port = parse_port(word->name, context.names); port && word->argument.empty()) {
      out.push_back(Output{
          .port = *port, .max_len = static_cast<std::uint16_t>(*port == of_port::kController ? 0xffff : 0)});
    } else {
      return fail("unknown action " + std::string(word->name));
    }
  }
  if (dropped && words > 1)
    return fail("\"drop\" must not be accompanied by any other action or instruction");
  return check_order(out, context.place);
}

void format_list(const ActionList& actions, std::string& out, const Names& names) {
  if (actions.empty()) {
    out += "drop";
    return;
  }
  bool first = true;
  for (const Action& action : actions) {
    if (!first) out += ',';
    first = false;
    std::visit([&](const auto& a) { a.format(out, names); }, action.variant());
  }
}

void encode_list(const ActionList& actions, Encoder& out) {
  for (const Action& action : actions) std::visit([&](const auto& a) { a.encode(out); }, action.variant());
}

Status decode_list(Bytes bytes, const DecodeContext& context, ActionList& out) {
  if (context.depth > kMaxDepth)
    return fail("actions nested deeper than " + std::to_string(kMaxDepth) + " (OFPBAC_TOO_MANY)",
                OfError::BacTooMany);
  ByteReader in(bytes);
  while (in.remaining() > 0) {
    const std::size_t offset = in.offset();
    SLUICE_TRY(at(decode_action(in, context, out), offset));
  }
  return check_order(out, context.place);
}

Status check_list(const ActionList& actions, CheckContext& context) {
  for (const Action& action : actions)
    SLUICE_TRY(std::visit([&](const auto& a) { return a.check(context); }, action.variant()));
  return {};
}

Result<ActionList> parse_actions(std::string_view text, const Names& names) {
  ActionList actions;
  SLUICE_TRY(parse_list(text, ParseContext{.names = names}, actions));
  return actions;
}

std::string format_actions(const ActionList& actions, const Names& names) {
  std::string text;
  format_list(actions, text, names);
  return text;
}

void encode_actions(const ActionList& actions, OfVersion version, ByteWriter& out) {
  Encoder encoder(out, version);
  encode_list(actions, encoder);
}

Result<ActionList> decode_actions(Bytes bytes, OfVersion version) {
  if (bytes.size() % 8 != 0)
    return fail(
        "actions of " + std::to_string(bytes.size()) + " bytes: expected a multiple of 8 (OFPBRC_BAD_LEN)",
        OfError::BrcBadLen);
  ActionList actions;
  SLUICE_TRY(decode_list(bytes, DecodeContext{.version = version}, actions));
  SLUICE_TRY(check_order(actions, Place::List));
  return actions;
}

void encode_instructions(const ActionList& actions, OfVersion version, ByteWriter& out) {
  const auto begin = [&](std::uint16_t type) {
    const std::size_t start = out.size();
    out.u16(type);
    out.u16(0);
    return start;
  };
  const auto end = [&](std::size_t start) {
    out.patch_u16(start + 2, static_cast<std::uint16_t>(out.size() - start));
  };
  Encoder encoder(out, version);

  for (const Action* action = actions.begin(); action != actions.end();) {
    if (rank_of(*action) == Rank::Apply || (as<Meter>(*action) && version == OfVersion::k15)) {
      const std::size_t start = begin(kApplyActions);
      out.zeros(4);
      for (; action != actions.end() && (rank_of(*action) == Rank::Apply || as<Meter>(*action)); ++action)
        std::visit([&](const auto& a) { a.encode(encoder); }, action->variant());
      end(start);
      continue;
    }
    if (const auto* meter = as<Meter>(*action); meter != nullptr && version >= OfVersion::k13) {
      const std::size_t start = begin(kMeter);
      out.u32(meter->id);
      end(start);
    } else if (as<ClearActions>(*action)) {
      const std::size_t start = begin(kClearActions);
      out.zeros(4);
      end(start);
    } else if (const auto* write = as<WriteActions>(*action)) {
      const std::size_t start = begin(kWriteActions);
      out.zeros(4);
      encode_list(write->actions, encoder);
      end(start);
    } else if (const auto* metadata = as<WriteMetadata>(*action)) {
      const std::size_t start = begin(kWriteMetadata);
      out.zeros(4);
      out.u64(metadata->value);
      out.u64(metadata->mask);
      end(start);
    } else if (const auto* table = as<GotoTable>(*action)) {
      const std::size_t start = begin(kGotoTable);
      out.u8(table->table);
      out.zeros(3);
      end(start);
    }
    ++action;
  }
}

Result<ActionList> decode_instructions(Bytes bytes, OfVersion version) {
  Bytes parts[6];
  bool present[6] = {};
  ByteReader in(bytes);
  while (in.remaining() > 0) {
    const std::size_t remaining = in.remaining();
    const std::uint16_t type = in.u16();
    const std::uint16_t length = in.u16();
    if (!in.ok() || length < 8 || length % 8 != 0 || length > remaining)
      return fail("instruction of length " + std::to_string(length) + " in " + std::to_string(remaining) +
                      " bytes: expected a multiple of 8 that fits (OFPBIC_BAD_LEN)",
                  OfError::BicBadLen);
    if (type == kExperimenter)
      return fail("unknown instruction of an experimenter (OFPBIC_BAD_EXPERIMENTER)",
                  OfError::BicBadExperimenter);
    if (type == 0 || type > kMeter ||
        (type == kMeter && (version < OfVersion::k13 || version > OfVersion::k14)))
      return fail("unknown instruction type " + std::to_string(type) + " (OFPBIC_UNKNOWN_INST)",
                  OfError::BicUnknownInst);
    const std::size_t expected = type == kWriteMetadata ? 24 : 8;
    if (type != kApplyActions && type != kWriteActions && length != expected)
      return fail("instruction type " + std::to_string(type) + " of " + std::to_string(length) +
                      " bytes: expected " + std::to_string(expected) + " (OFPBIC_BAD_LEN)",
                  OfError::BicBadLen);
    const auto rank = static_cast<std::size_t>(rank_of_instruction(type));
    if (present[rank])
      return fail("instruction " + std::string(kRankNames[rank]) + " given twice (OFPBIC_DUP_INSTR)",
                  OfError::BicDupInst);
    present[rank] = true;
    parts[rank] = in.take(length - 4u);
  }

  const auto part = [&](Rank rank) { return parts[static_cast<std::size_t>(rank)]; };
  const auto has = [&](Rank rank) { return present[static_cast<std::size_t>(rank)]; };
  ActionList actions;
  if (has(Rank::Meter)) actions.push_back(Meter{.id = ByteReader(part(Rank::Meter)).u32()});
  if (has(Rank::Apply))
    SLUICE_TRY(decode_list(part(Rank::Apply).subspan(4), DecodeContext{.version = version}, actions));
  if (has(Rank::Clear)) actions.push_back(ClearActions{});
  if (has(Rank::Write)) {
    WriteActions write;
    SLUICE_TRY(decode_list(part(Rank::Write).subspan(4),
                           DecodeContext{.version = version, .place = Place::Set}, write.actions));
    SLUICE_TRY(check_order(write.actions, Place::Set));
    SLUICE_TRY(check_set(write.actions));
    actions.push_back(std::move(write));
  }
  if (has(Rank::Metadata)) {
    ByteReader metadata(part(Rank::Metadata));
    metadata.skip(4);
    WriteMetadata write;
    write.value = metadata.u64();
    write.mask = metadata.u64();
    actions.push_back(write);
  }
  if (has(Rank::Goto)) actions.push_back(GotoTable{.table = ByteReader(part(Rank::Goto)).u8()});
  SLUICE_TRY(check_order(actions, Place::List));
  return actions;
}

Result<ActionList> as_seen_by(const ActionList& actions, OfVersion version) {
  ByteWriter bytes;
  if (version == OfVersion::k10) {
    encode_actions(actions, version, bytes);
    return decode_actions(bytes.bytes(), version);
  }
  encode_instructions(actions, version, bytes);
  return decode_instructions(bytes.bytes(), version);
}

void settle(ActionList& actions, const flow::Match& match) {
  bool vlan = matches_vlan(match);
  const auto protocol = [&match] { return known_ip_proto(match).value_or(0); };
  for (Action& action : actions) {
    if (auto* vid = std::get_if<SetVlanVid>(&action.variant())) {
      vid->flow_has_vlan = vlan;
      vlan = vlan || vid->push_if_needed;
    } else if (auto* pcp = std::get_if<SetVlanPcp>(&action.variant())) {
      pcp->flow_has_vlan = vlan;
      vlan = vlan || pcp->push_if_needed;
    } else if (as<PushVlan>(action)) {
      vlan = true;
    } else if (as<StripVlan>(action)) {
      vlan = false;
    } else if (auto* source = std::get_if<SetL4Src>(&action.variant())) {
      source->protocol = protocol();
    } else if (auto* destination = std::get_if<SetL4Dst>(&action.variant())) {
      destination->protocol = protocol();
    } else if (auto* clone = std::get_if<Clone>(&action.variant())) {
      settle(clone->actions, match);
    } else if (auto* write = std::get_if<WriteActions>(&action.variant())) {
      settle(write->actions, match);
    }
  }
}

Status check(const ActionList& actions, const flow::Match& match, const CheckOptions& options) {
  CheckContext context{.match = match, .options = options};
  SLUICE_TRY(check_order(actions, Place::List));
  return check_list(actions, context);
}

void translate(const ActionList& actions, Translation& translation) {
  for (const Action& action : actions) {
    if (translation.stopped()) return;
    const bool go_on = std::visit(
        [&](const auto& a) {
          if constexpr (std::is_same_v<decltype(a.translate(translation)), bool>) {
            return a.translate(translation);
          } else {
            a.translate(translation);
            return true;
          }
        },
        action.variant());
    if (!go_on) return;
  }
}

}  // namespace sluice::action
