// The options of ovs-ofctl, read with getopt_long: they may stand before and behind the verb, long ones may
// be abbreviated.
#pragma once

#include "cli/ofctl/run.h"

namespace sluice::cli::ofctl {

struct CommandLine {
  enum class Wants { Command, Help, Version, OptionList, Nothing };
  Wants wants = Wants::Command;
  std::vector<std::string> words;  ///< the verb and its arguments
};

/// @param words  without the program's name. An error has an empty message if getopt has complained itself.
Result<CommandLine> read_options(const std::vector<std::string>& words, Run& run);

/// What completion offers.
std::vector<std::string> option_names();
/// What --option prints.
std::string option_list();

/// The page that --help shows.
std::string help_text(const std::string& program);

}  // namespace sluice::cli::ofctl
