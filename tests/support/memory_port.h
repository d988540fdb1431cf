// A port for benchmarks: receives frames of a prepared ring, as many as are asked for, and sends into a
// counter. Header only, so that the packet DSL's library needs no port module.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

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

}  // namespace sluice::testing
