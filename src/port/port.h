// A port moves packets between the switch and the world. Backends live one folder each (af_packet, tap, pcap,
// dummy).
//
// Threads: receive() and send() are called by the one worker that owns the port; counters may be read by any
// thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/address.h"
#include "packet/packet.h"
#include "packet/packet_pool.h"

namespace sluice::port {

/// Written by the owning worker with relaxed stores, read anywhere.
struct PortCounters {
  std::atomic<std::uint64_t> rx_packets{0}, rx_bytes{0}, rx_dropped{0}, rx_errors{0};
  std::atomic<std::uint64_t> tx_packets{0}, tx_bytes{0}, tx_dropped{0}, tx_errors{0};

  static void add(std::atomic<std::uint64_t>& cell, std::uint64_t n) {
    cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
};

class Port {
 public:
  virtual ~Port() = default;

  virtual std::string_view type() const = 0;  ///< "system", "tap", "pcap", "dummy"
  const std::string& name() const { return name_; }
  const PortCounters& counters() const { return counters_; }

  /// Appends received packets to the batch until it is full or nothing waits. Layout is not filled in;
  /// in_port is not set; offload is.
  virtual void receive(packet::PacketBatch& batch, packet::PacketPool& pool) = 0;

  /// Sends a packet as it is now (offload honoured or done in software) and counts it. Does not take
  /// ownership. May queue: flush() at the end of each batch.
  virtual void send(const packet::Packet& packet) = 0;
  virtual void flush() {}

  /// Called by the owning worker about once a second: notices what happened to the port's device, and
  /// repairs.
  virtual void maintain() {}

  /// A descriptor that polls readable when receive() has something, -1 if the port must be polled.
  virtual int receive_fd() const { return -1; }

  virtual net::Mac mac() const = 0;
  virtual std::uint32_t mtu() const = 0;
  virtual bool link_up() const { return true; }
  /// Whether the device behind the port is to run, whoever said so (IFF_UP); nothing if there is no device.
  virtual std::optional<bool> admin_up() const { return std::nullopt; }
  /// Any thread, as what asks the device.
  virtual Status set_admin_up(bool) { return {}; }
  /// The destructor leaves a persistent device where it is, to whoever opens it next.
  virtual void keep_device() {}
  /// Whether the destructor waits for the kernel. It may run on any thread then.
  virtual bool closes_slowly() const { return false; }

 protected:
  explicit Port(std::string name) : name_(std::move(name)) {}
  std::string name_;
  PortCounters counters_;
};

}  // namespace sluice::port
