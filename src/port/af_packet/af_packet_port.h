// An existing network interface, opened with an AF_PACKET socket: what arrives at it is received, what is
// sent leaves through it. Local senders' offloads are honoured: a packet with a partial checksum, or a GSO
// packet of up to 64 KiB, comes in as it is, told in Metadata::offload, and leaves as it is where the target
// takes it.
//
// Receiving: recvmmsg() scatters each message into a vnet header, a pool packet of frame size, and spill
// memory for what is longer; while long packets keep coming, large pool packets take the first place, so that
// both kinds are normally copied once, by the kernel. Sending: frames are copied to a queue (the caller may
// go on to change the packet) that one sendmmsg() empties; a GSO packet goes straight from its place.
//
// An interface that goes down gives errors to count, no spinning; one that was removed and made again is
// found by maintain(). The host's own IP stack still sees what arrives: give the interface no address.
//
// Threads: as Port says; link_up(), mtu() and mac() from any thread. Source: packet(7), virtio 1.2
// section 5.1.6.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "port/port.h"

namespace sluice::port {

class AfPacketPort final : public Port {
 public:
  static Result<std::unique_ptr<AfPacketPort>> open(const std::string& interface);
  ~AfPacketPort() override;

  std::string_view type() const override { return "system"; }
  bool closes_slowly() const override { return true; }
  void receive(packet::PacketBatch& batch, packet::PacketPool& pool) override;
  void send(const packet::Packet& packet) override;
  void flush() override;
  void maintain() override;
  int receive_fd() const override;
  net::Mac mac() const override;
  std::uint32_t mtu() const override;
  bool link_up() const override;
  std::optional<bool> admin_up() const override;
  Status set_admin_up(bool up) override;

 private:
  struct Impl;
  AfPacketPort(std::string name, std::unique_ptr<Impl> impl);
  void change_priority(std::uint32_t priority);
  /// @param error  0 or the errno of what the kernel refused.
  void count_sent(int error, std::uint32_t bytes);

  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::port
