// A port for benchmarks: receives frames of a prepared ring, as many as are asked for, and sends into a
// counter. Header only, so that the packet DSL's library needs no port module.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "flow/compose.h"
#include "port/port.h"

namespace sluice::testing {

class MemoryPort final : public port::Port {
 public:
  explicit MemoryPort(std::string name) : Port(std::move(name)) {}
  std::string_view type() const override { return "memory"; }
  net::Mac mac() const override { return {}; }
  std::uint32_t mtu() const override { return 1500; }

  void receive(packet::PacketBatch& batch, packet::PacketPool& pool) override {
    while (!batch.full() && to_receive > 0) {
      const auto& frame = frames[next_++ % frames.size()];
      packet::Packet* const p = pool.take(sizeof frame);
      p->assign(frame);
      batch.push(p);
      --to_receive;
    }
  }
  void send(const packet::Packet& packet) override { sent_bytes += packet.size(); }

  using Frame = std::array<std::uint8_t, 64>;
  std::vector<Frame> frames;
  std::uint64_t to_receive = 0, sent_bytes = 0;

 private:
  std::size_t next_ = 0;
};

/// A UDP packet of connection n, in either direction.
inline MemoryPort::Frame connection_frame(std::uint32_t n, bool reply) {
  flow::FlowKey key;
  key.eth_type = be16{0x0800};
  key.eth_src = net::Mac::from_value(reply ? 0x020000000002 : 0x020000000001);
  key.eth_dst = net::Mac::from_value(reply ? 0x020000000001 : 0x020000000002);
  key.nw_src = be32{0x0a000000 + n / 60000};
  key.nw_dst = be32{0x0b000001};
  key.nw_proto = 17;
  key.nw_ttl = 64;
  key.tp_src = be16{static_cast<std::uint16_t>(1024 + n % 60000)};
  key.tp_dst = be16{53};
  if (reply) {
    std::swap(key.nw_src, key.nw_dst);
    std::swap(key.tp_src, key.tp_dst);
  }
  const std::vector<std::uint8_t> payload(22);
  const auto bytes = flow::compose(key, payload);
  MemoryPort::Frame frame{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), frame.size()), frame.begin());
  return frame;
}

}  // namespace sluice::testing
