// The plumbing verbs about whole OpenFlow messages: what `ovs-ofctl ofp-print`, `ofp-parse`, `print-error`
// and the others read and print.
#include <fmt/core.h>

#include <charconv>

#include "action/group_spec.h"
#include "cli/commands.h"
#include "cli/hex.h"
#include "cli/input.h"
#include "field/match_text.h"
#include "openflow/all_messages.h"

namespace sluice::cli {

namespace {

using field::OfError;
using openflow::OfVersion;

constexpr OfVersion kVersions[] = {OfVersion::k10, OfVersion::k11, OfVersion::k12,
                                   OfVersion::k13, OfVersion::k14, OfVersion::k15};

Result<OfError> find_error(const std::string& name) {
  if (const auto error = field::find_of_error(name)) return *error;
  return fail(fmt::format("unknown error \"{}\": expected a name as OFPBRC_BAD_TYPE", name));
}

template <typename T>
Result<T> number(std::string_view text, std::string_view what) {
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (code != std::errc{} || end != text.data() + text.size() || text.empty())
    return fail(fmt::format("\"{}\" is no {}", text, what));
  return value;
}

Result<int> verbosity_of(const std::vector<std::string>& words, std::size_t at) {
  if (words.size() <= at) return openflow::PrintOptions{}.verbosity;
  return number<int>(words[at], "verbosity");
}

/// A message in hex, or the file that holds it.
Result<std::string> print_message(const OfpArguments& arguments) {
  SLUICE_ASSIGN(const int verbosity, verbosity_of(arguments.words, 1));
  auto bytes = parse_hex(arguments.words[0]);
  if (!bytes) {
    const auto text = read_input(arguments.words[0]);
    if (!text) return fail("trailing garbage following hex bytes");
    SLUICE_ASSIGN(bytes, parse_hex(*text));
  }
  if (bytes->empty()) return std::string("OpenFlow message is empty\n");
  return openflow::print(*bytes, {.verbosity = verbosity});
}

/// A stream of messages in a file.
Result<std::string> print_stream(const OfpArguments& arguments) {
  SLUICE_ASSIGN(const std::string text, read_input(arguments.words[0]));
  bool unfinished = false;
  SLUICE_ASSIGN(std::string out, format_stream(text, openflow::PrintOptions{}.verbosity, unfinished));
  if (!unfinished) return out;
  (void)print(std::move(out));
  return fail(fmt::format("{}: unexpected end of file mid-message", arguments.words[0]));
}

Result<std::string> print_error(const OfpArguments& arguments) {
  SLUICE_ASSIGN(const OfError error, find_error(arguments.words[0]));
  std::string out;
  for (const OfVersion version : kVersions)
    if (const auto code = field::of_error_code(error, version))
      out +=
          fmt::format("OpenFlow 1.{}: vendor {}, type {}, code {}\n", static_cast<unsigned>(version) - 1,
                      code->vendor == 0 ? "0" : fmt::format("{:#x}", code->vendor), code->type, code->code);
  return out;
}

Result<std::string> encode_error_reply(const OfpArguments& arguments) {
  SLUICE_ASSIGN(const OfError error, find_error(arguments.words[0]));
  SLUICE_ASSIGN(const auto request, parse_hex(arguments.words[1]));
  if (request.size() < openflow::kHeaderBytes)
    return fail("Request too short: expected at least the eight bytes of a header");
  return openflow::hex_dump(openflow::encode_error_reply(error, request, OfVersion::k10), false);
}

Result<std::string> encode_hello(const OfpArguments& arguments) {
  SLUICE_ASSIGN(const auto versions, number<std::uint32_t>(arguments.words[0], "bitmap of versions"));
  const auto highest = openflow::highest_version(versions);
  if (!highest) return fail(fmt::format("{:#x} names no OpenFlow version: expected bits 1 to 6", versions));
  const auto hello = openflow::make_message(openflow::Hello{.versions = versions}, {.version = *highest}, 1);
  return openflow::hex_dump(openflow::encode(hello), false) + openflow::format(hello);
}

/// Matches of OpenFlow 1.0 or 1.1 in hex, a line each: as text, and where encoding them again gives other
/// bytes.
Result<std::string> parse_match(const OfpArguments& arguments, bool of11) {
  SLUICE_ASSIGN(const std::string input, read_input("-"));
  std::string out;
  // What lines before a wrong one gave is printed before the error.
  const auto refuse = [&](Error error) -> Result<std::string> {
    (void)print(std::move(out));
    return tl::unexpected<Error>(std::move(error));
  };
  std::size_t start = 0;
  while (start < input.size()) {
    const auto end = std::min(input.find('\n', start), input.size());
    const std::string_view line = std::string_view(input).substr(start, end - start);
    start = end + 1;
    auto parsed = parse_hex(line);
    if (!parsed) return refuse(std::move(parsed).error());
    const std::vector<std::uint8_t>& bytes = *parsed;
    if (bytes.empty()) continue;
    const std::size_t expected = of11 ? openflow::kMatch11Bytes : openflow::kMatch10Bytes;
    if (bytes.size() != expected)
      return refuse(Error{fmt::format("Input is {} bytes, expected {}", bytes.size(), expected)});
    ByteReader in(bytes);
    Result<flow::Match> match;
    if (of11)
      match = openflow::decode_match11(in);
    else
      match = openflow::decode_match10(in);
    if (!match) {
      const auto code = field::of_error(match.error());
      out +=
          fmt::format("bad ofp11_match: {}\n\n", code ? field::of_error_name(*code) : match.error().message);
      continue;
    }
    out += field::format_match(*match) + "\n";
    ByteWriter again;
    if (of11)
      openflow::encode_match11(*match, again);
    else
      openflow::encode_match10(*match, again);
    out += hex_differences(bytes, again.bytes()) + "\n";
  }
  (void)arguments;
  return out;
}

Result<std::string> parse_group(const OfpArguments& arguments) {
  SLUICE_ASSIGN(action::GroupSpec group, action::parse_group(arguments.words[0]));
  OfVersion version = OfVersion::k10;
  if (!arguments.version.empty()) {
    SLUICE_ASSIGN(version, parse_version(arguments.version));
  }
  const auto message =
      openflow::make_message(openflow::GroupMod{.group = std::move(group)}, {.version = version}, 1);
  SLUICE_ASSIGN(const openflow::Message seen, openflow::decode(openflow::encode(message)));
  return fmt::format("usable protocols: any\nchosen version: OpenFlow1{}\n",
                     static_cast<unsigned>(version) - 1) +
         openflow::format(seen);
}

}  // namespace

Result<std::string> format_stream(std::string_view stream, int verbosity, bool& unfinished) {
  openflow::Splitter splitter;
  splitter.append(Bytes(reinterpret_cast<const std::uint8_t*>(stream.data()), stream.size()));
  std::string out;
  std::size_t taken = 0;
  for (;;) {
    SLUICE_ASSIGN(const auto message, splitter.next());
    if (!message) break;
    taken += message->size();
    out += openflow::print(*message, {.verbosity = verbosity});
  }
  unfinished = taken != stream.size();
  return out;
}

Result<std::string> ofp_text(const OfpArguments& arguments) {
  const auto& verb = arguments.verb;
  if (verb == "ofp-print") return print_message(arguments);
  if (verb == "ofp-parse") return print_stream(arguments);
  if (verb == "print-error") return print_error(arguments);
  if (verb == "encode-error-reply") return encode_error_reply(arguments);
  if (verb == "encode-hello") return encode_hello(arguments);
  if (verb == "parse-group") return parse_group(arguments);
  return parse_match(arguments, verb == "parse-ofp11-match");
}

int ofp(const OfpArguments& arguments) {
  const auto text = ofp_text(arguments);
  return text ? print(*text) : complain(text.error());
}

}  // namespace sluice::cli
