// A port between two capture files: receives the frames of one on the capture's own clock, writes what it is
// sent to the other. For offline replay: whoever drives it asks each port for next_time(), sets its clock to
// the least, and tells all ports with advance_to(). Without a driver receive() gives nothing.
#pragma once

#include <optional>
#include <string>

#include "port/pcap/capture_file.h"
#include "port/port.h"
#include "port/software_offload.h"

namespace sluice::port {

struct PcapOptions {
  std::string in;   ///< capture to read, "" for none
  std::string out;  ///< capture to write, "" for none
  net::Mac mac{{0xaa, 0x55, 0xaa, 0x55, 0x00, 0x01}};
  std::uint32_t mtu = 65535;
  /// Time-stamp resolution of `out`; unset: that of `in`, microseconds without one.
  std::optional<bool> nanoseconds;
};

class PcapPort final : public Port {
 public:
  static Result<std::unique_ptr<PcapPort>> open(std::string name, const PcapOptions& options);

  /// When the next frame was captured (nanoseconds since 1970); nothing when there is none left or reading
  /// failed.
  std::optional<std::int64_t> next_time();
  /// It is this time now: frames up to it are received, frames sent are stamped with it.
  void advance_to(std::int64_t time_ns) { now_ns_ = time_ns; }
  /// The next frame, if it is due; nullptr if not, or if the pool is exhausted.
  packet::Packet* receive_one(packet::PacketPool& pool);

  /// What went wrong with either file, if anything did.
  const Status& status() const { return status_; }
  /// Writes out what is buffered; to be asked at the end of a replay.
  Status finish();

  std::uint64_t bytes_read() const { return reader_ ? reader_->bytes_read() : 0; }
  std::uint64_t bytes_total() const { return reader_ ? reader_->bytes_total() : 0; }
  std::uint64_t frames_read() const { return frames_; }
  std::uint64_t frames_cut() const { return cut_; }  ///< that the capture had shortened

  std::string_view type() const override { return "pcap"; }
  void receive(packet::PacketBatch& batch, packet::PacketPool& pool) override;
  void send(const packet::Packet& packet) override;
  net::Mac mac() const override { return options_.mac; }
  std::uint32_t mtu() const override { return options_.mtu; }

 private:
  PcapPort(std::string name, PcapOptions options) : Port(std::move(name)), options_(std::move(options)) {}
  void look_ahead();

  PcapOptions options_;
  std::optional<CaptureReader> reader_;
  std::optional<CaptureWriter> writer_;
  std::optional<CaptureReader::Frame> ahead_;  ///< read, not yet received
  bool at_end_ = false;
  std::int64_t now_ns_ = 0;
  std::uint64_t frames_ = 0, cut_ = 0;
  Status status_;
  SoftwareOffload software_;
};

}  // namespace sluice::port
