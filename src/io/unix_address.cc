#include "io/unix_address.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace sluice::io {

Result<UnixAddress> UnixAddress::of(const std::string& path) {
  UnixAddress result;
  std::string usable = path;
  if (path.size() >= sizeof result.address.sun_path) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    result.folder = UniqueFd(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!result.folder) return fail(fmt::format("cannot open folder {}: {}", folder, std::strerror(errno)));
    usable = fmt::format("/proc/self/fd/{}/{}", result.folder.get(), path.substr(slash + 1));
    if (usable.size() >= sizeof result.address.sun_path)
      return fail(fmt::format("the socket name {} is too long", path));
  }
  result.address.sun_family = AF_UNIX;
  std::memcpy(result.address.sun_path, usable.c_str(), usable.size() + 1);
  result.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + usable.size() + 1);
  return result;
}

}  // namespace sluice::io
