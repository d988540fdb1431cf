// sluice group, sluice meter: groups and meters of a bridge of a running daemon, in the text of ovs-ofctl.
#include "cli/commands.h"
#include "cli/input.h"

namespace sluice::cli {

int group_command(const Common& common, const GroupArguments& arguments) {
  std::vector<std::string> words = {arguments.bridge};
  std::string text = arguments.text;
  if (!arguments.file.empty()) {
    auto read = read_input(arguments.file);
    if (!read) return complain(read.error());
    text = std::move(*read);
  }
  if (!text.empty()) words.push_back(text);
  const auto answer = ask(common, "sluice/" + arguments.command, words);
  if (!answer) return complain(answer.error());
  return answer->empty() ? 0 : print(*answer);
}

}  // namespace sluice::cli
