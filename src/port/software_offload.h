// The work that a packet's offload left to hardware, done in software: for targets that do not take it
// (files, the dummy port, interfaces that refuse).
#pragma once

#include <functional>
#include <memory>

#include "packet/packet.h"
#include "packet/packet_pool.h"

namespace sluice::port {

/// SCTP's partial checksum stands for a CRC32c over the packet, which virtio can't tell from an Internet
/// checksum: its place in the header gives it away (TCP: 16, UDP: 6, SCTP: 8).
inline bool is_sctp_checksum(const packet::Offload& offload) {
  return offload.checksum_partial && offload.checksum_offset == 8;
}

/// Owned by a port, used by its worker. Makes its two packets when it first has work, and keeps them.
class SoftwareOffload {
 public:
  SoftwareOffload();
  ~SoftwareOffload();

  /// Calls `emit` with each frame that leaves: the one given if nothing is left to do, a copy with its
  /// checksum completed, or its segments. False if the offload makes no sense for the frame, or memory ran
  /// out.
  bool run(Bytes frame, const packet::Offload& offload, const std::function<void(Bytes)>& emit);

 private:
  /// Both work on original_; they emit from it or from piece_.
  bool complete_checksum(const std::function<void(Bytes)>& emit);
  bool segment(const std::function<void(Bytes)>& emit);

  std::unique_ptr<packet::PacketPool> pool_;
  packet::Packet* original_ = nullptr;
  packet::Packet* piece_ = nullptr;
};

}  // namespace sluice::port
