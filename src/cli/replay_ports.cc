#include "cli/replay_ports.h"

namespace sluice::cli {

Result<std::unique_ptr<ReplayPort>> ReplayPort::open(std::string name, std::uint32_t number,
                                                     const std::string& in, const std::string& out) {
  port::PcapOptions options;
  options.in = in;
  options.out = out;
  SLUICE_ASSIGN(auto capture, port::PcapPort::open(name, options));
  return std::unique_ptr<ReplayPort>(new ReplayPort(std::move(name), number, std::move(capture)));
}

void ReplayPort::receive(packet::PacketBatch& batch, packet::PacketPool& pool) {
  if (!armed_ || batch.full()) return;
  armed_ = false;
  packet::Packet* packet = capture_->receive_one(pool);
  if (!packet) return;
  last_.assign(packet->bytes().begin(), packet->bytes().end());
  counters_.add(counters_.rx_packets, 1);
  counters_.add(counters_.rx_bytes, packet->size());
  batch.push(packet);
}

void ReplayPort::send(const packet::Packet& packet) {
  ++sent_;
  counters_.add(counters_.tx_packets, 1);
  counters_.add(counters_.tx_bytes, packet.size());
  capture_->send(packet);
}

}  // namespace sluice::cli
