// One run of the OpenFlow command line (`sluice ofctl VERB …`, or this program under the name ovs-ofctl):
// what its options said, and what the verbs share. The syntax, the output and the exit statuses are
// ovs-ofctl's (ovs-ofctl(8)); verbs.cc lists the verbs, each is a function of this shape.
//
// A verb that fails returns the sentence that goes to standard error behind the program's name, and the run
// ends with status 1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "action/action.h"
#include "base/log.h"
#include "base/result.h"
#include "field/field.h"
#include "io/clock.h"
#include "io/process.h"
#include "openflow/message.h"

namespace sluice::cli::ofctl {

struct SortKey {
  std::optional<field::FieldId> field;  ///< nothing: the priority
  bool descending = false;
};

struct Options {
  std::uint32_t versions = 1u << 1;  ///< bit n is wire version n
  action::Protocols formats;         ///< -F
  bool strict = false, read_only = false, readd = false, bundle = false, may_create = false,
       timestamp = false, stats = true, color = false, pcap = false;
  std::optional<bool> names;  ///< nothing: read names, show them on a terminal
  int verbosity = 0;
  std::optional<openflow::Style> packet_in;
  std::vector<SortKey> sort;
  unsigned timeout_s = 0;
  std::string private_key, certificate, ca_certificate;
  // Of a monitor or snoop, which may live as a daemon.
  io::ProcessOptions process{.keep_errors = true};
  std::optional<std::string> pidfile;  ///< empty: PROGRAM.pid in the run directory
  bool overwrite_pidfile = false;
  std::optional<std::string> control_socket;  ///< "none": no control socket
};

/// Bundles need OpenFlow 1.3 or later: allows 1.4 if none of these is allowed.
void allow_bundles(Options& options);

struct Run {
  Options options;
  std::string program;             ///< the name in messages
  std::string run_dir;             ///< empty: where daemons put their sockets by default
  std::vector<std::string> words;  ///< the verb's arguments
  sluice::log::Log log{"ovs-ofctl", io::wall_clock_ns};
  std::uint32_t last_xid = 0;

  std::uint32_t next_xid() { return ++last_xid; }
  bool has(std::size_t word) const { return word < words.size(); }
  /// Whether names of ports and tables are understood, and whether they are shown.
  bool reads_names() const { return options.names.value_or(true); }
  bool shows_names() const;
  /// Formats that one of the allowed versions can carry.
  action::Protocols allowed_formats() const;
};

/// Exit status, 0 unless the verb says otherwise.
using Verb = Result<int> (*)(Run& run);

/// What a daemon's files are called: the program's name without blanks.
std::string daemon_name(const Run& run);

/// The error's sentence as ovs-ofctl has it: without what it says beyond of what was expected.
std::string original_text(const Error& error);

void print(std::string_view text);
/// A message as `ofp-print` shows it, to standard output.
void print(Bytes message, const Run& run, const action::Names& names = {});

}  // namespace sluice::cli::ofctl
