#include "cli/ofctl/color.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace sluice::cli::ofctl {

namespace {

constexpr std::string_view kParameter = "36", kSpecial = "33", kActions = "1;31", kProtocol = "32",
                           kDrop = "34", kBracket = "35";

constexpr std::array<std::string_view, 14> kSpecialWords = {
    "table=", "priority=", "output:", "set_field:", "resubmit:", "load:", "move:",
    "push:",  "pop:",      "->",      "enqueue:",   "group:",    "note:", "CONTROLLER:"};
constexpr std::array<std::string_view, 22> kProtocolWords = {
    "ip",           "ipv6",      "icmp",     "icmp6", "tcp",  "tcp6",  "udp",     "udp6",
    "sctp",         "sctp6",     "arp",      "rarp",  "mpls", "mplsm", "dec_ttl", "strip_vlan",
    "dec_mpls_ttl", "pop_queue", "ct_clear", "exit",  "eth",  "NORMAL"};

bool is_name(char c) {
  return c == '_' || c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// The colour of a word with the character behind it, or none.
std::string_view color_of(std::string_view word, std::string_view with_next) {
  if (with_next == "actions=") return kActions;
  if (word == "drop") return kDrop;
  if (is_one_of(kSpecialWords, with_next)) return kSpecial;
  if (with_next.ends_with('=') || with_next.ends_with(':')) return kParameter;
  if (with_next.ends_with('(')) return kBracket;
  return is_one_of(kProtocolWords, word) ? kProtocol : std::string_view{};
}

void paint(std::string& out, std::string_view color, std::string_view text) {
  out.append("\x1b[").append(color).append("m\x1b[K").append(text).append("\x1b[m\x1b[K");
}

}  // namespace

std::string colored(std::string text, bool color) {
  if (!color) return text;
  std::string out;
  bool at_word = true;
  for (std::size_t i = 0; i < text.size();) {
    // Headings of messages begin a line, flows don't.
    if (text[i] != ' ' && (i == 0 || text[i - 1] == '\n')) {
      const std::size_t end = std::min(text.find('\n', i), text.size());
      out.append(text, i, end - i);
      i = end;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && is_name(text[end])) ++end;
    const std::string_view word = std::string_view(text).substr(i, end - i);
    if (word.empty() || !at_word || (word[0] >= '0' && word[0] <= '9')) {
      const bool arrow = text.compare(i, 2, "->") == 0;
      const bool closes = text[i] == ')';
      const std::size_t length = arrow ? 2 : std::max<std::size_t>(word.size(), 1);
      if (arrow || closes)
        paint(out, arrow ? kSpecial : kBracket, std::string_view(text).substr(i, length));
      else
        out.append(text, i, length);
      at_word = word.empty() && (text[i] == ' ' || text[i] == ',' || text[i] == '(' || text[i] == '=');
      i += length;
      continue;
    }
    const bool marked = end < text.size() && (text[end] == '=' || text[end] == ':' || text[end] == '(');
    const std::string_view whole = std::string_view(text).substr(i, word.size() + (marked ? 1 : 0));
    const std::string_view chosen = color_of(word, whole);
    if (chosen.empty())
      out.append(whole);
    else
      paint(out, chosen, whole);
    at_word = whole == "actions=" || whole.ends_with('(');
    i += whole.size();
  }
  return out;
}

}  // namespace sluice::cli::ofctl
