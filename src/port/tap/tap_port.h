// A TAP device that the switch makes: the bridge's own port, and ports of type internal. The host's IP stack
// is at its other end, so it does what a network card's driver would: leaves checksums and segmentation to us
// and takes packets with either undone (IFF_VNET_HDR, TUNSETOFFLOAD). The device exists as long as the port,
// or, if it is persistent, until a port with it is closed that was not told to keep it: with its addresses
// and routes it outlives a restart of the switch, and its end by a signal.
//
// Threads: as Port says; mac(), mtu() and link_up() from any thread, the setters from the main thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "port/port.h"

namespace sluice::port {

struct TapOptions {
  std::optional<net::Mac> mac;  ///< unset: the kernel's random one
  std::uint32_t mtu = 1500;
  bool up = true;
  /// The device may be there already, left behind by another process: then it keeps its MTU, and its address
  /// unless `mac` is given.
  bool persistent = false;
};

class TapPort final : public Port {
 public:
  static Result<std::unique_ptr<TapPort>> create(const std::string& name, const TapOptions& options);
  ~TapPort() override;

  Status set_mac(const net::Mac& mac);
  Status set_mtu(std::uint32_t mtu);

  std::string_view type() const override { return "tap"; }
  bool closes_slowly() const override { return true; }
  void keep_device() override;
  void receive(packet::PacketBatch& batch, packet::PacketPool& pool) override;
  void send(const packet::Packet& packet) override;
  int receive_fd() const override;
  net::Mac mac() const override;
  std::uint32_t mtu() const override;
  bool link_up() const override;
  std::optional<bool> admin_up() const override;
  Status set_admin_up(bool up) override;

 private:
  struct Impl;
  TapPort(std::string name, std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::port
