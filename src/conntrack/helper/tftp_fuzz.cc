// Any bytes as a TFTP packet; what is taken for a request has both its texts.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "conntrack/helper/tftp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (sluice::conntrack::tftp::is_request({data, size}))
    SLUICE_CHECK(size >= 6 && std::count(data + 2, data + size, std::uint8_t{0}) >= 2);
  return 0;
}
