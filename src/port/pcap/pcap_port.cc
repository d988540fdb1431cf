#include "port/pcap/pcap_port.h"

namespace sluice::port {

Result<std::unique_ptr<PcapPort>> PcapPort::open(std::string name, const PcapOptions& options) {
  auto port = std::unique_ptr<PcapPort>(new PcapPort(std::move(name), options));
  if (!options.in.empty()) {
    SLUICE_ASSIGN(port->reader_, CaptureReader::open(options.in));
  }
  if (!options.out.empty()) {
    const bool nanoseconds = options.nanoseconds.value_or(port->reader_ && port->reader_->nanoseconds());
    SLUICE_ASSIGN(port->writer_, CaptureWriter::create(options.out, nanoseconds));
  }
  return port;
}

void PcapPort::look_ahead() {
  if (ahead_ || at_end_ || !reader_) return;
  auto next = reader_->next();
  if (!next) {
    status_ = tl::unexpected(std::move(next.error()));
    PortCounters::add(counters_.rx_errors, 1);
  } else {
    ahead_ = *next;
  }
  at_end_ = !ahead_;
}

std::optional<std::int64_t> PcapPort::next_time() {
  look_ahead();
  return ahead_ ? std::optional(ahead_->time_ns) : std::nullopt;
}

packet::Packet* PcapPort::receive_one(packet::PacketPool& pool) {
  for (;;) {
    look_ahead();
    if (!ahead_ || ahead_->time_ns > now_ns_) return nullptr;
    const auto size = static_cast<std::uint32_t>(ahead_->bytes.size());
    packet::Packet* const packet = pool.take(size);
    if (packet == nullptr && size <= packet::PacketPool::kLargeBytes) return nullptr;
    if (ahead_->original_length > size) ++cut_;
    if (packet == nullptr) {  // longer than any packet
      PortCounters::add(counters_.rx_errors, 1);
      ahead_.reset();
      continue;
    }
    packet->assign(ahead_->bytes);
    ahead_.reset();
    ++frames_;
    PortCounters::add(counters_.rx_packets, 1);
    PortCounters::add(counters_.rx_bytes, size);
    return packet;
  }
}

void PcapPort::receive(packet::PacketBatch& batch, packet::PacketPool& pool) {
  while (!batch.full()) {
    packet::Packet* const packet = receive_one(pool);
    if (packet == nullptr) return;
    batch.push(packet);
  }
}

void PcapPort::send(const packet::Packet& packet) {
  const bool sound = software_.run(packet.bytes(), packet.meta.offload, [this](Bytes frame) {
    if (writer_) {
      if (Status written = writer_->write(now_ns_, frame); !written) {
        status_ = std::move(written);
        PortCounters::add(counters_.tx_errors, 1);
        return;
      }
    }
    PortCounters::add(counters_.tx_packets, 1);
    PortCounters::add(counters_.tx_bytes, frame.size());
  });
  if (!sound) PortCounters::add(counters_.tx_errors, 1);
}

Status PcapPort::finish() {
  if (writer_) SLUICE_TRY(writer_->flush());
  return status_;
}

}  // namespace sluice::port
