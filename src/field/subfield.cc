// Sub-fields as text: "NXM_NX_REG0[0..15]", "reg0[3]", "ct_mark[]", "ct_mark".
#include <fmt/core.h>

#include <charconv>

#include "field/field.h"

namespace sluice::field {

namespace {

std::optional<unsigned> parse_bit(std::string_view text) {
  unsigned bit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bit);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return bit;
}

}  // namespace

Result<Subfield> parse_subfield(std::string_view text) {
  const std::size_t bracket = text.find('[');
  const std::string_view name = text.substr(0, bracket);
  const FieldSpec* f = find_field(name);
  if (f == nullptr) return fail(fmt::format("{}: unknown field `{}'", text, name));
  if (bracket == std::string_view::npos) return Subfield{f->id, 0, f->bits};

  const auto syntax = [&] {
    return fail(fmt::format("{}: expected [], [bit] or [start..end] after the field's name", text));
  };
  if (text.back() != ']') return syntax();
  const std::string_view range = text.substr(bracket + 1, text.size() - bracket - 2);
  if (range.empty()) return Subfield{f->id, 0, f->bits};

  const std::size_t dots = range.find("..");
  const auto start = parse_bit(range.substr(0, dots));
  const auto end = dots == std::string_view::npos ? start : parse_bit(range.substr(dots + 2));
  if (!start || !end) return syntax();
  if (*start > *end)
    return fail(fmt::format("{}: starting bit {} is after ending bit {}", text, *start, *end));
  for (const unsigned bit : {*start, *end})
    if (bit >= f->bits)
      return fail(fmt::format("{}: there is no bit {}, {} is {} bits wide", text, bit, f->name, f->bits));
  return Subfield{f->id, static_cast<std::uint16_t>(*start), static_cast<std::uint16_t>(*end - *start + 1)};
}

std::string format_subfield(const Subfield& sub) {
  const FieldSpec& f = spec(sub.field);
  const OxmId& id = f.nicira_id();
  const std::string_view name = id.exists() ? id.name : f.name;
  if (sub.offset == 0 && sub.width == f.bits) return fmt::format("{}[]", name);
  if (sub.width == 1) return fmt::format("{}[{}]", name, sub.offset);
  return fmt::format("{}[{}..{}]", name, sub.offset, sub.offset + sub.width - 1);
}

}  // namespace sluice::field
