#include "cli/ofctl/files.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace sluice::cli::ofctl {

Result<std::string> read_file(const std::string& name, const char* what) {
  const auto close = [](std::FILE* file) {
    if (file != nullptr && file != stdin) std::fclose(file);
  };
  const std::unique_ptr<std::FILE, decltype(close)> file(name == "-" ? stdin : std::fopen(name.c_str(), "re"),
                                                         close);
  if (!file) return fail(fmt::format("{}: {} ({})", name, what, std::strerror(errno)));
  std::string text;
  char buffer[65536];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file.get())) text.append(buffer, n);
  if (std::ferror(file.get()) != 0)
    return fail(fmt::format("{}: read failed ({})", name, std::strerror(errno)));
  return text;
}

}  // namespace sluice::cli::ofctl
