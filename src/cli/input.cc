#include "cli/input.h"

#include <cstdio>

#include "bridge/config.h"

namespace sluice::cli {

Result<std::string> read_input(const std::string& path) {
  if (path != "-") return bridge::read_file(path);
  std::string text;
  char buffer[65536];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, stdin)) text.append(buffer, n);
  if (std::ferror(stdin)) return fail("standard input can't be read");
  return text;
}

}  // namespace sluice::cli
