// The text helpers that actions share (codec.h).
#include <algorithm>

#include "action/codec.h"
#include "net/address.h"

namespace sluice::action {

namespace {

constexpr std::string_view kBlank = " \t\r\n";

bool is_separator(char c) {
  return c == ',' || kBlank.find(c) != std::string_view::npos;
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

/// Where the text up to the bracket that closes text[open] ends: the index of that bracket, or the end.
std::size_t closing(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i)
        if (text[i] == '\\') ++i;
    } else if (text[i] == '(' || text[i] == '[') {
      ++depth;
    } else if (text[i] == ')' || text[i] == ']') {
      if (--depth == 0) return i;
    }
  }
  return text.size();
}

/// The length of a run without top-level separators.
std::size_t value_length(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && !is_separator(text[i])) {
    if (text[i] == '(' || text[i] == '[') i = closing(text, i);
    if (i < text.size() && text[i] == '"')
      for (++i; i < text.size() && text[i] != '"'; ++i)
        if (text[i] == '\\') ++i;
    if (i < text.size()) ++i;
  }
  return std::min(i, text.size());  // a backslash may be the last character
}

std::string unquote(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  std::string result;
  text = text.substr(1, text.size() - 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    result += text[i];
  }
  return result;
}

}  // namespace

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::optional<std::string_view> next_item(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const auto comma = text.find(',');
  const std::string_view item = trim(text.substr(0, comma));
  text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  return item;
}

std::optional<Word> next_word(std::string_view& text) {
  while (!text.empty() && is_separator(text.front())) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;

  Word word;
  std::size_t name = 0;
  if (text.front() == '"') {
    name = value_length(text);
  } else {
    while (name < text.size() && !is_separator(text[name]) && text[name] != ':' && text[name] != '=' &&
           text[name] != '(')
      ++name;
  }
  word.name = text.substr(0, name);
  text.remove_prefix(name);
  if (text.empty() || is_separator(text.front())) return word;
  word.has_argument = true;

  if (text.front() == '(') {
    const std::size_t close = closing(text, 0);
    word.argument = text.substr(1, close - 1);
    text.remove_prefix(std::min(close + 1, text.size()));
    if (text.starts_with("->")) {
      const std::size_t length = value_length(text);
      word.tail = text.substr(2, length - 2);
      text.remove_prefix(length);
    }
  } else {
    text.remove_prefix(1);
    const std::size_t length = value_length(text);
    word.argument = text.substr(0, length);
    text.remove_prefix(length);
  }
  return word;
}

std::string format_duration(std::int64_t ns) {
  const std::int64_t seconds = ns / 1'000'000'000, fraction = ns % 1'000'000'000;
  if (fraction == 0) return std::to_string(seconds);
  // Milliseconds unless there is more to say than that.
  const bool fine = fraction % 1'000'000 != 0;
  std::string digits = std::to_string(1'000'000'000 + fraction);
  digits.front() = '.';
  if (!fine)
    digits.resize(4);
  else
    while (digits.back() == '0') digits.pop_back();
  return std::to_string(seconds) + digits;
}

Result<field::FieldValue> parse_wide(std::string_view text, std::string_view what) {
  if (const auto value = field::parse_integer(text)) return *value;
  return fail("invalid " + std::string(what) + " \"" + std::string(text) + "\": expected an integer");
}

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t max, std::string_view what) {
  SLUICE_ASSIGN(const field::FieldValue value, parse_wide(text, what));
  if (value > max)
    return fail("invalid " + std::string(what) + " \"" + std::string(text) + "\": expected at most " +
                std::to_string(max));
  return static_cast<std::uint64_t>(value);
}

Result<std::vector<std::uint8_t>> parse_hex_bytes(std::string_view text, std::string_view what) {
  std::vector<std::uint8_t> bytes;
  while (!text.empty()) {
    if (text.front() == '.') {
      text.remove_prefix(1);
      continue;
    }
    if (text.size() < 2 || digit(text[0]) > 15 || digit(text[1]) > 15)
      return fail("bad hex digit in `" + std::string(what) +
                  "' argument: expected pairs of hex digits at \"" + std::string(text) + "\"");
    bytes.push_back(static_cast<std::uint8_t>(digit(text[0]) << 4 | digit(text[1])));
    text.remove_prefix(2);
  }
  return bytes;
}

std::string format_hex_bytes(Bytes bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    if (!text.empty()) text += '.';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string hex(field::FieldValue value) {
  return field::format_hex(value);
}

std::optional<std::uint32_t> parse_port(std::string_view text, const Names& names) {
  return text.empty() ? std::nullopt : field::parse_port(text, names.ports);
}

std::string format_port(std::uint32_t port, const Names& names) {
  return field::format_port(port, names.ports);
}

std::optional<std::uint8_t> parse_table(std::string_view text, const Names& names) {
  if (const auto number = parse_number(text, 0xff, "table")) return static_cast<std::uint8_t>(*number);
  return names.tables != nullptr ? names.tables->table_number(unquote(text)) : std::nullopt;
}

std::string format_table(std::uint8_t table, const Names& names) {
  if (names.tables != nullptr)
    if (const auto name = names.tables->table_name(table)) return *name;
  return std::to_string(table);
}

Result<std::pair<std::string_view, std::string_view>> split_arrow(std::string_view text) {
  const auto arrow = text.find("->");
  if (arrow == std::string_view::npos) return fail(std::string(text) + ": missing `->'");
  const std::string_view name = trim(text.substr(arrow + 2));
  if (name.empty()) return fail(std::string(text) + ": missing field name following `->'");
  return std::pair{trim(text.substr(0, arrow)), name};
}

}  // namespace sluice::action
