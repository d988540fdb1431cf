// The verbs: one row each, from which the dispatch, the usage errors, the help and shell completion fall.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/ofctl/run.h"

namespace sluice::cli::ofctl {

struct VerbRow {
  const char* name;
  const char* arguments;  ///< as list-commands shows them
  std::size_t least, most;
  bool changes;  ///< refused with --read-only
  Verb run;
  const char* help;  ///< nothing: plumbing that the help does not list
};
std::span<const VerbRow> verbs();

std::string verb_help();

/// The whole program. @param words  without the program's name
int run(const std::string& program, const std::vector<std::string>& words, const std::string& run_dir);

Result<int> show(Run& run);
Result<int> dump_desc(Run& run);
Result<int> dump_tables(Run& run);
Result<int> dump_table_features(Run& run);
Result<int> dump_table_desc(Run& run);
Result<int> dump_ports(Run& run);
Result<int> dump_ports_desc(Run& run);
Result<int> queue_stats(Run& run);
Result<int> queue_get_config(Run& run);
Result<int> dump_ipfix_bridge(Run& run);
Result<int> dump_ipfix_flow(Run& run);

Result<int> dump_flows(Run& run);
Result<int> dump_aggregate(Run& run);
Result<int> add_flow(Run& run);
Result<int> add_flows(Run& run);
Result<int> mod_flows(Run& run);
Result<int> del_flows(Run& run);
Result<int> replace_flows(Run& run);
Result<int> diff_flows(Run& run);

Result<int> add_group(Run& run);
Result<int> add_groups(Run& run);
Result<int> mod_group(Run& run);
Result<int> del_groups(Run& run);
Result<int> insert_buckets(Run& run);
Result<int> remove_buckets(Run& run);
Result<int> dump_groups(Run& run);
Result<int> dump_group_stats(Run& run);
Result<int> dump_group_features(Run& run);

Result<int> add_meter(Run& run);
Result<int> mod_meter(Run& run);
Result<int> del_meters(Run& run);
Result<int> dump_meters(Run& run);
Result<int> meter_stats(Run& run);
Result<int> meter_features(Run& run);

Result<int> bundle(Run& run);
Result<int> packet_out(Run& run);

Result<int> mod_port(Run& run);
Result<int> mod_table(Run& run);
Result<int> get_frags(Run& run);
Result<int> set_frags(Run& run);
Result<int> add_tlv_map(Run& run);
Result<int> del_tlv_map(Run& run);
Result<int> dump_tlv_map(Run& run);
Result<int> ct_flush_zone(Run& run);
Result<int> ct_flush(Run& run);

Result<int> monitor(Run& run);
Result<int> snoop(Run& run);
Result<int> probe(Run& run);
Result<int> ping(Run& run);
Result<int> benchmark(Run& run);

}  // namespace sluice::cli::ofctl
