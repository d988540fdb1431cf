// A port in memory: tests put frames in and take frames out. What is sent is kept as bytes, offload work done
// or not as the test chooses; captures of both directions can be written.
//
// Threads: inject() and take_sent() may be called by another thread than the worker's; a mutex guards both
// queues.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "port/pcap/capture_file.h"
#include "port/port.h"
#include "port/software_offload.h"

namespace sluice::port {

/// What a dummy is connected to beside tests that call it. Main thread.
class DummyWire {
 public:
  virtual ~DummyWire() = default;
  /// Nothing if it does not connect of itself.
  virtual std::optional<bool> connected() const = 0;
};

struct DummyOptions {
  net::Mac mac{{0xaa, 0x55, 0xaa, 0x55, 0x00, 0x00}};
  std::uint32_t mtu = 1500;
  std::size_t max_received = 65536;  ///< frames that may wait to be received; more are dropped and counted
  std::size_t max_sent =
      65536;              ///< frames kept until taken; more are dropped and counted. 0: count, keep nothing
  bool offloads = false;  ///< keep GSO and partial checksums as they are, as a veth would
  std::string type = "dummy";
  bool announce_sent = false;   ///< sent_fd() tells of frames that can be taken
  unsigned receive_queues = 1;  ///< that netdev-dummy/receive may name
};

class DummyPort final : public Port {
 public:
  /// A frame that the switch sent.
  struct Sent {
    std::vector<std::uint8_t> bytes;
    packet::Offload offload;  ///< empty unless DummyOptions::offloads
  };

  explicit DummyPort(std::string name, DummyOptions options = {});
  ~DummyPort() override;

  /// A frame arrives. False if the queue is full.
  bool inject(Bytes frame, const packet::Offload& offload = {});
  /// Frames that no worker has taken yet.
  std::size_t received_waiting() const;
  /// The oldest frame that was sent and not yet taken.
  std::optional<Sent> take_sent();
  std::size_t sent_waiting() const;
  /// Polls readable while frames wait to be taken; -1 unless DummyOptions::announce_sent.
  int sent_fd() const { return sent_fd_; }
  /// Lives as long as the port; both go on main.
  void set_wire(std::unique_ptr<DummyWire> wire) { wire_ = std::move(wire); }
  const DummyWire* wire() const { return wire_.get(); }
  void set_link(bool up);
  void set_mtu(std::uint32_t mtu) { mtu_.store(mtu, std::memory_order_relaxed); }

  /// Writes what comes in, what goes out, or both (the same file twice) to captures from now on.
  Status capture(const std::string& received_path, const std::string& sent_path);
  unsigned receive_queues() const { return options_.receive_queues; }

  /// An IP address that tests pretend the device to have, IPv4 as mapped, and its prefix length in that form.
  using Address = std::pair<be128, unsigned>;
  void add_address(const Address& address);
  std::vector<Address> addresses() const;

  std::string_view type() const override { return options_.type; }
  void receive(packet::PacketBatch& batch, packet::PacketPool& pool) override;
  void send(const packet::Packet& packet) override;
  int receive_fd() const override { return event_fd_; }
  net::Mac mac() const override { return options_.mac; }
  std::uint32_t mtu() const override { return mtu_.load(std::memory_order_relaxed); }
  bool link_up() const override { return link_up_.load(std::memory_order_relaxed); }

 private:
  struct Waiting {
    std::vector<std::uint8_t> bytes;
    packet::Offload offload;
  };
  void keep(Bytes frame, const packet::Offload& offload);
  /// Nobody here knows the time: frames are a microsecond apart, in their order.
  std::int64_t next_stamp() { return 1000 * ++captured_; }
  void write_received(Bytes frame);
  void write_sent(Bytes frame);

  DummyOptions options_;
  SoftwareOffload software_;
  int event_fd_, sent_fd_;
  std::atomic<bool> link_up_{true};
  std::atomic<std::uint32_t> mtu_;
  mutable std::mutex mutex_;
  std::deque<Waiting> received_;                                  ///< guarded by mutex_
  std::deque<Sent> sent_;                                         ///< guarded by mutex_
  std::optional<CaptureWriter> received_capture_, sent_capture_;  ///< guarded by mutex_
  std::vector<Address> addresses_;                                ///< guarded by mutex_
  std::int64_t captured_ = 0;                                     ///< guarded by mutex_
  bool one_capture_ = false;                                      ///< received_capture_ is for both
  std::unique_ptr<DummyWire> wire_;                               ///< uses all of the above
};

}  // namespace sluice::port
