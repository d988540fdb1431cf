// Verbs that speak to nobody: encodings looked at, as the plumbing verbs of sluice do too.
#pragma once

#include <algorithm>
#include <cstddef>

#include "cli/ofctl/run.h"

namespace sluice::cli::ofctl {

/// A verb of sluice's own (cli/commands.h) under ovs-ofctl's options.
Result<int> run_plumbing(Run& run, const char* verb);

template <std::size_t N>
struct VerbName {
  char text[N];
  constexpr VerbName(const char (&name)[N]) { std::copy_n(name, N, text); }  // NOLINT: a literal
};
template <VerbName kName>
Result<int> plumbing(Run& run) {
  return run_plumbing(run, kName.text);
}

Result<int> ofp_parse_pcap(Run& run);
Result<int> parse_pcap(Run& run);
Result<int> parse_key_value(Run& run);
Result<int> compose_packet(Run& run);
Result<int> parse_packet(Run& run);
Result<int> check_vlan(Run& run);

}  // namespace sluice::cli::ofctl
