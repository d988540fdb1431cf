// Verbs that only exchange echoes, which every switch and controller answers.
#include <fmt/core.h>

#include <chrono>
#include <cstdlib>

#include "base/rng.h"
#include "cli/ofctl/connection.h"
#include "cli/ofctl/verbs.h"

namespace sluice::cli::ofctl {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostPayload = openflow::kMaxMessageBytes - openflow::kHeaderBytes;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Result<std::size_t> payload_size(const std::string& text) {
  const unsigned long size = std::strtoul(text.c_str(), nullptr, 10);
  if (size > kMostPayload) return fail(fmt::format("payload must be between 0 and {} bytes", kMostPayload));
  return size;
}

}  // namespace

Result<int> probe(Run& run) {
  SLUICE_ASSIGN(Connection connection, Connection::open(run, run.words[0]));
  SLUICE_TRY(connection.send(
      openflow::encode(openflow::make_message(openflow::EchoRequest{}, connection.dialect, 0))));
  SLUICE_ASSIGN(const auto answer, connection.receive());
  if (answer.size() == openflow::kHeaderBytes) return 0;
  return fail("reply does not match request");
}

Result<int> ping(Run& run) {
  std::size_t size = 64;
  if (run.has(1)) {
    SLUICE_ASSIGN(size, payload_size(run.words[1]));
  }
  SLUICE_ASSIGN(Connection connection, Connection::open(run, run.words[0]));
  Rng random(static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()));
  for (int i = 0; i < 10; ++i) {
    openflow::EchoRequest request;
    for (std::size_t n = 0; n < size; ++n) request.data.push_back(static_cast<std::uint8_t>(random.next()));
    const auto sent = openflow::encode(connection.make(request));
    const auto start = Clock::now();
    SLUICE_TRY(connection.send(sent));
    openflow::Exchange exchange(openflow::decode_header(sent)->xid);
    std::vector<std::uint8_t> answer;
    while (!exchange.done()) {
      SLUICE_ASSIGN(answer, connection.receive());
      (void)exchange.take(answer);
    }
    const double ms = milliseconds_since(start);
    const auto message = openflow::decode(answer);
    const auto* reply = message ? openflow::as<openflow::EchoReply>(*message) : nullptr;
    if (reply == nullptr || reply->data != request.data) {
      print("Reply does not match request.  Request:\n");
      print(Bytes(sent), run);
      print("Reply:\n");
      print(Bytes(answer), run);
    }
    print(fmt::format("{} bytes from {}: xid={:08x} time={:.1f} ms\n", answer.size() - openflow::kHeaderBytes,
                      run.words[0], openflow::decode_header(answer)->xid, ms));
  }
  return 0;
}

Result<int> benchmark(Run& run) {
  SLUICE_ASSIGN(const std::size_t payload, payload_size(run.words[1]));
  const std::size_t size = payload + openflow::kHeaderBytes;
  const unsigned long count = std::strtoul(run.words[2].c_str(), nullptr, 10);
  print(fmt::format("Sending {} packets * {} bytes (with header) = {} bytes total\n", count, size,
                    count * size));
  SLUICE_ASSIGN(Connection connection, Connection::open(run, run.words[0]));
  openflow::EchoRequest request;
  request.data.assign(payload, 0);
  const auto start = Clock::now();
  for (unsigned long i = 0; i < count; ++i) SLUICE_TRY(connection.ask(request));
  const double ms = milliseconds_since(start);
  print(fmt::format("Finished in {:.1f} ms ({:.0f} packets/s) ({:.0f} bytes/s)\n", ms,
                    static_cast<double>(count) / (ms / 1000),
                    static_cast<double>(count * size) / (ms / 1000)));
  return 0;
}

}  // namespace sluice::cli::ofctl
