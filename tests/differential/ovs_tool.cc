#include "tests/differential/ovs_tool.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace sluice::testing {

namespace {

struct Pipe {
  explicit Pipe(const std::string& command) : stream(popen(command.c_str(), "r")) {}
  ~Pipe() {
    if (stream != nullptr) pclose(stream);
  }
  std::FILE* stream;
};

/// A file that disappears with the object.
class TemporaryFile {
 public:
  TemporaryFile() {
    const int fd = mkstemp(name_);
    if (fd >= 0) close(fd);
  }
  ~TemporaryFile() { unlink(name_); }
  const char* name() const { return name_; }

 private:
  char name_[32] = "/tmp/sluice-ovs-XXXXXX";
};

std::vector<std::string> read_lines(std::FILE* stream) {
  std::vector<std::string> lines;
  std::string line;
  for (int c = std::fgetc(stream); c != EOF; c = std::fgetc(stream)) {
    if (c != '\n') {
      line += static_cast<char>(c);
      continue;
    }
    lines.push_back(std::move(line));
    line.clear();
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

}  // namespace

bool have_ovs_ofctl() {
  return std::system("ovs-ofctl --version >/dev/null 2>&1") == 0;
}

std::vector<std::string> run_ovs_ofctl(const std::string& arguments, const std::vector<std::string>& lines,
                                       std::string* errors) {
  const TemporaryFile input, error_file;
  if (std::FILE* file = std::fopen(input.name(), "w")) {
    for (const std::string& line : lines) std::fprintf(file, "%s\n", line.c_str());
    std::fclose(file);
  }
  std::string command = "ovs-ofctl " + arguments + " 2>" + error_file.name();
  command.replace(command.find('@'), 1, input.name());
  std::vector<std::string> output;
  {
    const Pipe pipe(command);
    if (pipe.stream != nullptr) output = read_lines(pipe.stream);
  }
  if (errors != nullptr)
    if (std::FILE* file = std::fopen(error_file.name(), "r")) {
      for (const std::string& line : read_lines(file)) *errors += line + "\n";
      std::fclose(file);
    }
  return output;
}

}  // namespace sluice::testing
