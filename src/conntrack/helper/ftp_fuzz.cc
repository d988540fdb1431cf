// A control stream from the fuzzer, in segments that its first bytes cut: rewriting it piece by piece, byte
// by byte or at once gives the same stream, and listening finds the same announcements.
//
// The input: speaker and cut (one byte), then the stream. Cut 0 is the whole stream in one segment.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "conntrack/helper/control_stream.h"
#include "net/address.h"

namespace {

using namespace sluice;
using namespace sluice::conntrack;
using namespace sluice::conntrack::ftp;

class Mover final : public Listener {
 public:
  Announcement announced(const Announcement& announcement) override {
    ports.push_back(announcement.port);
    Announcement instead = announcement;
    instead.port = static_cast<std::uint16_t>(announcement.port ^ 1);
    if (instead.port == 0) instead.port = 9;
    if (announcement.form != Announcement::Form::Epsv && !announcement.is_ipv6)
      instead.address = net::v4_mapped(be32{0xc0a80101});
    return instead;
  }
  std::vector<std::uint16_t> ports;
};

struct Result {
  std::vector<std::uint8_t> stream;
  std::vector<std::uint16_t> ports;
  bool operator==(const Result&) const = default;
};

Result rewrite(Speaker speaker, const std::vector<std::uint8_t>& in, std::size_t cut) {
  constexpr std::uint32_t kFirst = 0xfffffff0;
  ControlStream control(speaker);
  control.begin(kFirst);
  Mover mover;
  Result result;
  std::size_t acked = 0;
  while (acked < in.size()) {
    const std::size_t n = std::min(cut == 0 ? in.size() : cut, in.size() - acked);
    std::vector<std::uint8_t> segment(in.begin() + static_cast<std::ptrdiff_t>(acked),
                                      in.begin() + static_cast<std::ptrdiff_t>(acked + n));
    segment.resize(n + 1000);
    const auto seq = kFirst + static_cast<std::uint32_t>(acked);
    const auto done = control.rewrite(seq, segment.data(), static_cast<std::uint32_t>(n),
                                      acked + n == in.size(), static_cast<std::uint32_t>(n + 1000), mover);
    SLUICE_CHECK(!done.drop && done.length <= n + 1000);
    const std::uint32_t at = control.to_receiver(seq) - kFirst;
    SLUICE_CHECK(at <= result.stream.size() && at + done.length >= result.stream.size());
    result.stream.resize(at);
    result.stream.insert(result.stream.end(), segment.begin(), segment.begin() + done.length);
    const std::uint32_t ack = control.to_sender(kFirst + static_cast<std::uint32_t>(result.stream.size()));
    SLUICE_CHECK(ack - kFirst > acked);  // a sender that waits for each acknowledgement gets on
    control.acknowledged(ack);
    acked = ack - kFirst;
  }
  result.ports = mover.ports;
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Speaker speaker = (data[0] & 0x80) != 0 ? Speaker::Server : Speaker::Client;
  const std::vector<std::uint8_t> in(data + 1, data + size);
  const Result at_once = rewrite(speaker, in, 0);
  SLUICE_CHECK(rewrite(speaker, in, 1) == at_once);
  SLUICE_CHECK(rewrite(speaker, in, 1 + (data[0] & 0x7f)) == at_once);

  ControlStream control(speaker);
  Mover mover;
  control.observe(7, in.data(), static_cast<std::uint32_t>(in.size()), mover);
  SLUICE_CHECK(mover.ports == at_once.ports && control.is_identity());
  return 0;
}
