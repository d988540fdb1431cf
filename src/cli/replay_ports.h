// The ports of an offline replay: a capture file at each end, handed to the switch one packet at a time, so
// that what happens to each is known.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "port/pcap/pcap_port.h"
#include "port/port.h"

namespace sluice::cli {

class ReplayPort final : public port::Port {
 public:
  static Result<std::unique_ptr<ReplayPort>> open(std::string name, std::uint32_t number,
                                                  const std::string& in, const std::string& out);

  std::uint32_t number() const { return number_; }
  port::PcapPort& capture() { return *capture_; }
  /// The next receive() gives one packet.
  void arm() { armed_ = true; }
  /// What came in last, as it was, before the switch changed it.
  Bytes last_received() const { return last_; }
  /// Packets sent since this was asked last.
  unsigned take_sent() { return std::exchange(sent_, 0); }

  std::string_view type() const override { return "pcap"; }
  void receive(packet::PacketBatch& batch, packet::PacketPool& pool) override;
  void send(const packet::Packet& packet) override;
  net::Mac mac() const override { return capture_->mac(); }
  std::uint32_t mtu() const override { return capture_->mtu(); }

 private:
  ReplayPort(std::string name, std::uint32_t number, std::unique_ptr<port::PcapPort> capture)
      : Port(std::move(name)), number_(number), capture_(std::move(capture)) {}

  std::uint32_t number_;
  std::unique_ptr<port::PcapPort> capture_;
  bool armed_ = false;
  unsigned sent_ = 0;
  std::vector<std::uint8_t> last_;
};

}  // namespace sluice::cli
