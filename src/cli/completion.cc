// All three scripts look at the words before the cursor that are no options: they name the node, whose
// subcommands and options are offered.
#include "cli/completion.h"

#include <fmt/core.h>

namespace sluice::cli {

namespace {

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// What every subcommand understands besides its own options, which have --help already.
std::string shared_options(const CompletionNode& root) {
  std::vector<std::string> options = root.options;
  std::erase(options, "--help");
  std::erase(options, "--version");
  return join(options);
}

std::vector<std::string> command_names(const CompletionNode& node) {
  std::vector<std::string> names;
  for (const auto& command : node.commands) names.push_back(command.name);
  return names;
}

/// A case branch for the node and all below: "'ct limits') words='set del --json'".
void shell_cases(const CompletionNode& node, const std::string& path, const std::string& shared,
                 std::string& out) {
  std::string words = join(command_names(node));
  if (!words.empty()) words += " ";
  words += join(node.options);
  if (!shared.empty() && !path.empty()) words += " " + shared;
  out += fmt::format("    '{}') words='{}' ;;\n", path, words);
  for (const auto& command : node.commands)
    shell_cases(command, path.empty() ? command.name : path + " " + command.name, shared, out);
}

/// "ct|flow|…": every word that can be part of a path.
void path_words(const CompletionNode& node, std::string& out) {
  for (const auto& command : node.commands) {
    out += (out.empty() ? "" : "|") + command.name;
    path_words(command, out);
  }
}

std::string bash(const CompletionNode& root) {
  std::string cases, known;
  shell_cases(root, "", shared_options(root), cases);
  path_words(root, known);
  return fmt::format(R"(# bash completion for sluice
_sluice() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} path= word words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${{COMP_WORDS[i]}}
    case $word in
      {}) path="${{path:+$path }}$word" ;;
    esac
  done
  case $path in
{}  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- "$cur"))
}}
complete -o filenames -F _sluice sluice
)",
                     known, cases);
}

std::string zsh(const CompletionNode& root) {
  std::string cases, known;
  shell_cases(root, "", shared_options(root), cases);
  path_words(root, known);
  return fmt::format(R"(#compdef sluice
_sluice() {{
  local path_ word words_ i
  for ((i = 2; i < CURRENT; i++)); do
    word=${{words[i]}}
    case $word in
      {}) path_="${{path_:+$path_ }}$word" ;;
    esac
  done
  local words=
  case $path_ in
{}  esac
  compadd -- ${{=words}}
  _files
}}
_sluice "$@"
)",
                     known, cases);
}

std::string fish_quote(const std::string& text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted;
}

void fish_lines(const CompletionNode& node, const std::string& condition, std::string& out) {
  std::string not_yet;
  for (const auto& command : node.commands) not_yet += " " + command.name;
  for (const auto& command : node.commands) {
    const auto here = condition.empty()
                          ? fmt::format("not __fish_seen_subcommand_from{}", not_yet)
                          : fmt::format("{}; and not __fish_seen_subcommand_from{}", condition, not_yet);
    out += fmt::format("complete -c sluice -f -n '{}' -a '{}' -d '{}'\n", here, command.name,
                       fish_quote(command.description));
    const auto below = fmt::format("{}__fish_seen_subcommand_from {}",
                                   condition.empty() ? "" : condition + "; and ", command.name);
    fish_lines(command, below, out);
  }
  for (const auto& option : node.options)
    out += fmt::format("complete -c sluice{} -l {}\n", condition.empty() ? "" : " -n '" + condition + "'",
                       option.substr(2));
}

std::string fish(const CompletionNode& root) {
  std::string out = "# fish completion for sluice\n";
  fish_lines(root, "", out);
  return out;
}

}  // namespace

std::string completion_script(const CompletionNode& root, std::string_view shell) {
  if (shell == "zsh") return zsh(root);
  if (shell == "fish") return fish(root);
  return bash(root);
}

}  // namespace sluice::cli
