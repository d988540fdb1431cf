// Reassembly: dpctl/ipf-…. Formats: what ovs-vswitchd prints.
#include <fmt/core.h>

#include <charconv>

#include "conntrack/tracker.h"
#include "daemon/commands.h"
#include "daemon/dpctl_arguments.h"
#include "net/address.h"
#include "net/protocol.h"

namespace sluice::daemon {

namespace {

using conntrack::DatagramSnapshot;
using conntrack::IpVersion;
using conntrack::Reassembler;
using unixctl::Args;

/// Below it ovs-vswitchd accepts no minimum; 0, which is ours, means none.
constexpr std::uint32_t kLeastMinimum = 400;
/// Datagrams copied at a time.
constexpr unsigned kSlice = 256;

std::optional<IpVersion> parse_version(std::string_view word) {
  if (word == "v4") return IpVersion::V4;
  if (word == "v6") return IpVersion::V6;
  return std::nullopt;
}

std::optional<std::uint32_t> parse_number(std::string_view word) {
  std::uint32_t number = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

Result<std::string> set_enabled(Reassembler& fragments, Args args, bool on) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  SLUICE_TRY(take_datapath(parsed.words, 1));
  const auto version = parsed.words.empty() ? std::nullopt : parse_version(parsed.words[0]);
  if (!version) return dpctl_error("parameter missing: 'v4' for IPv4 or 'v6' for IPv6");
  fragments.set_enabled(*version, on);
  return fmt::format("{} fragmentation reassembly successful", on ? "enabling" : "disabling");
}

Result<std::string> set_min_fragment(Reassembler& fragments, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  SLUICE_TRY(take_datapath(parsed.words, 2));
  const auto version = parsed.words.empty() ? std::nullopt : parse_version(parsed.words[0]);
  if (!version) return dpctl_error("parameter missing: v4 for IPv4 or v6 for IPv6");
  const auto bytes = parsed.words.size() < 2 ? std::nullopt : parse_number(parsed.words[1]);
  if (!bytes) return dpctl_error("parameter missing for minimum fragment size");
  if (*bytes != 0 && *bytes < kLeastMinimum)
    return dpctl_error("requested minimum fragment size too small; see documentation", EPERM);
  fragments.set_min_fragment(*version, *bytes);
  return "setting minimum fragment size successful";
}

Result<std::string> set_max_fragments(Reassembler& fragments, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  SLUICE_TRY(take_datapath(parsed.words, 1));
  const auto number = parsed.words.empty() ? std::nullopt : parse_number(parsed.words[0]);
  if (!number) return dpctl_error("parameter missing for maximum fragments");
  fragments.set_max_fragments(*number);
  return "setting maximum fragments successful";
}

void status_of(const Reassembler& fragments, IpVersion version, std::string& text) {
  const auto c = fragments.counters(version);
  const char* const name = version == IpVersion::V4 ? "v4" : "v6";
  text += fmt::format("        min {} frag size: {}\n", name, fragments.min_fragment(version));
  text += fmt::format("        {} frags accepted: {}\n", name, c.accepted);
  text += fmt::format("        {} frags completed: {}\n", name, c.completed);
  text += fmt::format("        {} frags expired: {}\n", name, c.expired);
  text += fmt::format("        {} frags too small: {}\n", name, c.too_small);
  text += fmt::format("        {} frags overlapped: {}\n", name, c.overlapped + c.duplicate);
  text += fmt::format("        {} frags purged: {}\n", name, c.purged);
}

/// Which ends of the datagram are there.
std::string_view state_of(const DatagramSnapshot& datagram) {
  if (datagram.has_first) return datagram.has_last ? "first/last frag" : "first frag";
  return datagram.has_last ? "last frag" : "other frag";
}

std::string line_of(const DatagramSnapshot& datagram) {
  const auto& key = datagram.key;
  const bool is_ipv6 = key.version == IpVersion::V6;
  const auto address = [&](const be128& a) {
    return is_ipv6 ? net::format_ipv6(a) : net::format_ipv4(net::v4_of(a));
  };
  return fmt::format(
      "(src={},dst={},recirc_id=0,ip_id={},dl_type={:#x},zone={},nw_proto={},num_fragments={},state={})\n",
      address(key.src), address(key.dst), key.id.host(),
      is_ipv6 ? net::ethertype::kIpv6 : net::ethertype::kIpv4, key.zone, key.proto, datagram.fragments,
      state_of(datagram));
}

Result<std::string> status(const Reassembler& fragments, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  SLUICE_TRY(take_datapath(parsed.words, 0));
  std::string text = "        Fragmentation Module Status\n        ---------------------------\n";
  text += fmt::format("        v4 enabled: {:d}\n", fragments.is_enabled(IpVersion::V4));
  text += fmt::format("        v6 enabled: {:d}\n", fragments.is_enabled(IpVersion::V6));
  text += fmt::format("        max num frags (v4/v6): {}\n", fragments.max_fragments());
  text += fmt::format("        num frag: {}\n", fragments.fragments());
  status_of(fragments, IpVersion::V4, text);
  status_of(fragments, IpVersion::V6, text);
  if (!parsed.more) return text;

  text += "\n        Fragment Lists:\n\n";
  std::vector<DatagramSnapshot> slice;
  for (std::uint32_t cursor = 0; cursor != Reassembler::kDumpDone;) {
    slice.clear();
    cursor = fragments.dump(cursor, kSlice, slice);
    for (const DatagramSnapshot& datagram : slice) text += line_of(datagram);
  }
  return text;
}

}  // namespace

void add_fragment_commands(unixctl::CommandRegistry& commands, bridge::Switch& device) {
  Reassembler& fragments = device.tracker().reassembler();
  for (const bool on : {true, false})
    commands.add(on ? "dpctl/ipf-set-enabled" : "dpctl/ipf-set-disabled", "[dp] v4|v6", 1, 2,
                 [&fragments, on](Args args) { return set_enabled(fragments, args, on); });
  commands.add("dpctl/ipf-set-min-frag", "[dp] v4|v6 minfragment", 2, 3,
               [&fragments](Args args) { return set_min_fragment(fragments, args); });
  commands.add("dpctl/ipf-set-max-nfrags", "[dp] maxfrags", 1, 2,
               [&fragments](Args args) { return set_max_fragments(fragments, args); });
  commands.add("dpctl/ipf-get-status", "[-m] [dp]", 0, 2,
               [&fragments](Args args) { return status(fragments, args); });
}

}  // namespace sluice::daemon
