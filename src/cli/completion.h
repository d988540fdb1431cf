// Shell completion scripts, from a description of the command line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::cli {

struct CompletionNode {
  std::string name, description;
  std::vector<std::string> options;
  std::vector<CompletionNode> commands;
};

/// A script for "bash", "zsh" or "fish" that completes subcommands and options, and files elsewhere.
std::string completion_script(const CompletionNode& root, std::string_view shell);

}  // namespace sluice::cli
