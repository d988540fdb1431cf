#include "action/learn.h"

#include <limits>

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::FieldValue;
using field::OfError;
using field::Subfield;

namespace {

using Spec = Learn::Spec;
using Target = Learn::Spec::Target;

constexpr std::uint16_t kLearn = 16, kLearn2 = 45;
enum Flag : std::uint16_t { kSendFlowRem = 1, kDeleteLearned = 2, kWriteResult = 4, kAllFlags = 7 };
// The header of a spec: what is written, whether it is a literal, how many bits.
constexpr std::uint16_t kWidthMask = 0x7ff, kImmediate = 1 << 13, kTargetShift = 11, kTargetMask = 3,
                        kReserved = 0xc000;

bool is_whole(const Subfield& sub) {
  return sub.offset == 0 && sub.width == field::spec(sub.field).bits;
}

Result<Subfield> decode_subfield(ByteReader& body, std::uint16_t width) {
  SLUICE_ASSIGN(const field::FieldSpec* spec, decode_header(body));
  return make_subfield(*spec, body.u16(), width);
}

Status decode_spec(ByteReader& body, std::uint16_t header, Learn& out) {
  Spec spec;
  spec.width = header & kWidthMask;
  const unsigned target = (header >> kTargetShift) & kTargetMask;
  if (target > 2 || spec.width == 0 || (header & kReserved) != 0)
    return fail("learn: spec " + hex(header) + " (OFPBAC_BAD_ARGUMENT)", OfError::BacBadArgument);
  spec.target = static_cast<Target>(target);
  if ((header & kImmediate) != 0) {
    if (spec.target == Target::Output || spec.width > 128)
      return fail("learn: spec " + hex(header) + " (OFPBAC_BAD_ARGUMENT)", OfError::BacBadArgument);
    for (unsigned words = (spec.width + 15u) / 16; words > 0; --words)
      spec.literal = spec.literal << 16 | body.u16();
    spec.literal &= field::ones(spec.width);
  } else {
    SLUICE_ASSIGN(spec.source, decode_subfield(body, spec.width));
  }
  if (spec.target != Target::Output) {
    SLUICE_ASSIGN(spec.destination, decode_subfield(body, spec.width));
  }
  out.specs.push_back(spec);
  return {};
}

Status decode_common(ByteReader& body, ActionList& out, bool second) {
  Learn learn;
  learn.idle_timeout = body.u16();
  learn.hard_timeout = body.u16();
  learn.priority = body.u16();
  learn.cookie = body.u64();
  const std::uint16_t flags = body.u16();
  learn.table = body.u8();
  const bool padding = body.skip_zeros(1);
  learn.fin_idle_timeout = body.u16();
  learn.fin_hard_timeout = body.u16();
  if (!padding || learn.table == kNoTable ||
      (flags & ~(second ? kAllFlags : kSendFlowRem | kDeleteLearned)) != 0)
    return fail("learn: unknown flags " + hex(flags) + " or table 255 (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  learn.send_flow_rem = (flags & kSendFlowRem) != 0;
  learn.delete_learned = (flags & kDeleteLearned) != 0;
  if (second) {
    learn.limit = body.u32();
    const std::uint16_t bit = body.u16();
    if (!body.skip_zeros(2))
      return fail("learn: padding is not zero (NXBRC_MUST_BE_ZERO)", OfError::BacBadArgument);
    if ((flags & kWriteResult) != 0) {
      SLUICE_ASSIGN(const field::FieldSpec* spec, decode_header(body));
      SLUICE_ASSIGN(learn.result, make_subfield(*spec, bit, 1));
    }
  }
  while (body.remaining() >= 2) {
    const std::uint16_t header = body.u16();
    if (header == 0) break;
    SLUICE_TRY(decode_spec(body, header, learn));
  }
  if (!body.skip_zeros(body.remaining()))
    return fail("learn: bytes behind the last spec (OFPBAC_BAD_ARGUMENT)", OfError::BacBadArgument);
  out.push_back(std::move(learn));
  return {};
}
Status decode_learn(ByteReader& body, const DecodeContext&, ActionList& out) {
  return decode_common(body, out, false);
}
Status decode_learn2(ByteReader& body, const DecodeContext&, ActionList& out) {
  return decode_common(body, out, true);
}

constexpr WireForm kForms[] = {
    {kNiciraVendor, kLearn, OfVersion::k10, OfVersion::k15, 32, false, decode_learn},
    {kNiciraVendor, kLearn2, OfVersion::k10, OfVersion::k15, 40, false, decode_learn2},
};

// --- Text of a spec

Status parse_load(std::string_view text, Spec& spec) {
  spec.target = Target::Load;
  SLUICE_ASSIGN(const auto sides, split_arrow(text));
  SLUICE_ASSIGN(spec.destination, field::parse_subfield(sides.second));
  spec.width = spec.destination.width;
  if (const auto literal = field::parse_integer(sides.first)) {
    if (*literal > field::ones(spec.width))
      return fail(std::string(text) + ": value does not fit into " + std::to_string(spec.width) + " bits");
    spec.literal = *literal;
    return {};
  }
  if (auto source = field::parse_subfield(sides.first)) {
    if (source->width != spec.width)
      return fail(std::string(text) + ": bit widths of " + std::string(sides.first) + " (" +
                  std::to_string(source->width) + ") and " + std::string(sides.second) + " (" +
                  std::to_string(spec.width) + ") differ");
    spec.source = *source;
    return {};
  }
  // A literal in the field's own syntax, an address for example.
  if (!is_whole(spec.destination))
    return fail(std::string(text) + ": expected an integer or a field on the left");
  SLUICE_ASSIGN(const field::ValueMask literal,
                field::parse_value(field::spec(spec.destination.field), sides.first));
  spec.literal = literal.value;
  return {};
}

Status parse_match(const Word& word, const std::string& text, const Names& names, Spec& spec) {
  spec.destination = *field::parse_subfield(word.name);
  spec.width = spec.destination.width;
  if (word.argument.empty()) {
    spec.source = spec.destination;
    return {};
  }
  if (const auto source = field::parse_subfield(word.argument)) {
    if (source->width != spec.width)
      return fail(text + ": bit widths of " + std::string(word.name) + " (" + std::to_string(spec.width) +
                  ") and " + std::string(word.argument) + " (" + std::to_string(source->width) + ") differ");
    spec.source = *source;
    return {};
  }
  if (is_whole(spec.destination)) {
    SLUICE_ASSIGN(const field::ValueMask literal,
                  field::parse_value(field::spec(spec.destination.field), word.argument, names.ports));
    spec.literal = literal.value;
    return {};
  }
  SLUICE_ASSIGN(spec.literal, parse_wide(word.argument, word.name));
  if (spec.literal > field::ones(spec.width))
    return fail(text + ": value " + std::string(word.argument) + " does not fit into " +
                std::to_string(spec.width) + " bits");
  return {};
}

void format_spec(const Spec& spec, std::string& out, const Names& names) {
  switch (spec.target) {
    case Target::Output:
      out += "output:" + field::format_subfield(*spec.source);
      return;
    case Target::Load:
      out += "load:" + (spec.source ? field::format_subfield(*spec.source) : hex(spec.literal)) + "->" +
             field::format_subfield(spec.destination);
      return;
    case Target::Match:
      if (spec.source) {
        out += field::format_subfield(spec.destination);
        if (*spec.source != spec.destination) out += "=" + field::format_subfield(*spec.source);
      } else if (is_whole(spec.destination)) {
        const field::FieldSpec& field_spec = field::spec(spec.destination.field);
        out += std::string(field_spec.name) + "=" +
               field::format_value(field_spec, spec.literal, field_spec.valid_bits(), names.ports);
      } else {
        out += field::format_subfield(spec.destination) + "=" + hex(spec.literal);
      }
  }
}

}  // namespace

std::span<const WireForm> Learn::wire_forms() {
  return kForms;
}

Status Learn::parse(const Word& word, const ParseContext& context, ActionList& out) {
  const std::string text(word.argument);
  Learn learn;
  std::string_view rest = word.argument;
  while (const auto option = next_word(rest)) {
    const auto number = [&](auto& target) -> Status {
      SLUICE_ASSIGN(const std::uint64_t value,
                    parse_number(option->argument, std::numeric_limits<std::decay_t<decltype(target)>>::max(),
                                 option->name));
      target = static_cast<std::decay_t<decltype(target)>>(value);
      return {};
    };
    const std::string_view name = option->name;
    if (name == "table") {
      const auto table = parse_table(option->argument, context.names);
      if (!table) return fail("unknown table " + std::string(option->argument));
      if (*table == kNoTable) return fail(text + ": table id 255 not valid for `learn' action");
      learn.table = *table;
    } else if (name == "priority") {
      SLUICE_TRY(number(learn.priority));
    } else if (name == "idle_timeout") {
      SLUICE_TRY(number(learn.idle_timeout));
    } else if (name == "hard_timeout") {
      SLUICE_TRY(number(learn.hard_timeout));
    } else if (name == "fin_idle_timeout") {
      SLUICE_TRY(number(learn.fin_idle_timeout));
    } else if (name == "fin_hard_timeout") {
      SLUICE_TRY(number(learn.fin_hard_timeout));
    } else if (name == "cookie") {
      SLUICE_TRY(number(learn.cookie));
    } else if (name == "limit") {
      SLUICE_TRY(number(learn.limit));
    } else if (name == "send_flow_rem") {
      learn.send_flow_rem = true;
    } else if (name == "delete_learned") {
      learn.delete_learned = true;
    } else if (name == "result_dst") {
      SLUICE_ASSIGN(learn.result, field::parse_subfield(option->argument));
      if (learn.result->width != 1) return fail("result_dst in 'learn' action must be a single bit");
    } else if (name == "load") {
      Spec spec;
      SLUICE_TRY(parse_load(option->argument, spec));
      learn.specs.push_back(spec);
    } else if (name == "output") {
      Spec spec{.target = Target::Output};
      SLUICE_ASSIGN(spec.source, field::parse_subfield(option->argument));
      spec.width = spec.source->width;
      learn.specs.push_back(spec);
    } else if (field::parse_subfield(name)) {
      Spec spec;
      SLUICE_TRY(parse_match(*option, text, context.names, spec));
      learn.specs.push_back(spec);
    } else {
      return fail(text + ": unknown keyword " + std::string(name) +
                  ": expected an option of learn or a field");
    }
  }
  out.push_back(std::move(learn));
  return {};
}

void Learn::format(std::string& out, const Names& names) const {
  out += "learn(table=" + format_table(table, names);
  const auto number = [&](std::string_view name, std::uint64_t value, std::uint64_t usual) {
    if (value != usual) out += "," + std::string(name) + "=" + std::to_string(value);
  };
  number("idle_timeout", idle_timeout, 0);
  number("hard_timeout", hard_timeout, 0);
  number("fin_idle_timeout", fin_idle_timeout, 0);
  number("fin_hard_timeout", fin_hard_timeout, 0);
  number("priority", priority, 0x8000);
  if (send_flow_rem) out += ",send_flow_rem";
  if (delete_learned) out += ",delete_learned";
  if (cookie != 0) out += ",cookie=" + hex(cookie);
  number("limit", limit, 0);
  if (result) out += ",result_dst=" + field::format_subfield(*result);
  for (const Spec& spec : specs) {
    out += ",";
    format_spec(spec, out, names);
  }
  out += ")";
}

void Learn::encode(Encoder& out) const {
  const bool second = limit != 0 || result;
  out.begin_nicira(second ? kLearn2 : kLearn);
  ByteWriter& w = out.out();
  w.u16(idle_timeout);
  w.u16(hard_timeout);
  w.u16(priority);
  w.u64(cookie);
  w.u16(static_cast<std::uint16_t>((send_flow_rem ? kSendFlowRem : 0) |
                                   (delete_learned ? kDeleteLearned : 0) | (result ? kWriteResult : 0)));
  w.u8(table);
  w.u8(0);
  w.u16(fin_idle_timeout);
  w.u16(fin_hard_timeout);
  if (second) {
    w.u32(limit);
    w.u16(result ? result->offset : std::uint16_t{0});
    w.zeros(2);
    if (result) encode_header(result->field, OfVersion::k10, w);
  }
  for (const Spec& spec : specs) {
    w.u16(static_cast<std::uint16_t>(spec.width | static_cast<unsigned>(spec.target) << kTargetShift |
                                     (spec.source ? 0 : kImmediate)));
    if (spec.source) {
      encode_header(spec.source->field, OfVersion::k10, w);
      w.u16(spec.source->offset);
    } else {
      for (unsigned words = (spec.width + 15u) / 16; words > 0; --words)
        w.u16(static_cast<std::uint16_t>(spec.literal >> ((words - 1) * 16)));
    }
    if (spec.target != Target::Output) {
      encode_header(spec.destination.field, OfVersion::k10, w);
      w.u16(spec.destination.offset);
    }
  }
  out.end();
}

Status Learn::check(CheckContext& context) const {
  // Sources are read from this packet, destinations belong to the flow that is made.
  CheckContext made = context;
  made.match = {};
  for (const Spec& spec : specs) {
    if (spec.source) SLUICE_TRY(check_readable(context, *spec.source, "learn"));
    switch (spec.target) {
      case Target::Match:
        SLUICE_TRY(check_readable(made, spec.destination, "learn"));
        if (!spec.source) {
          FieldValue value = field::get(made.match.value, spec.destination.field);
          value |= spec.literal << spec.destination.offset;
          field::set_match(made.match, spec.destination.field, value,
                           field::ones(spec.width) << spec.destination.offset);
        }
        break;
      case Target::Load:
        SLUICE_TRY(check_writable(made, spec.destination, "learn"));
        break;
      case Target::Output:
        break;
    }
  }
  if (result) return check_writable(context, *result, "learn");
  return {};
}

void Learn::translate(Translation& translation) const {
  translation.learn(*this);
}

}  // namespace sluice::action
