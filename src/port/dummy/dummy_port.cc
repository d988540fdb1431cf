#include "port/dummy/dummy_port.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace sluice::port {

DummyPort::DummyPort(std::string name, DummyOptions options)
    : Port(std::move(name)),
      options_(std::move(options)),
      event_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      sent_fd_(options_.announce_sent ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1),
      mtu_(options_.mtu) {}

DummyPort::~DummyPort() {
  wire_.reset();
  if (event_fd_ >= 0) close(event_fd_);
  if (sent_fd_ >= 0) close(sent_fd_);
}

bool DummyPort::inject(Bytes frame, const packet::Offload& offload) {
  const std::lock_guard lock(mutex_);
  if (received_.size() >= options_.max_received) return false;
  write_received(frame);
  received_.push_back({{frame.begin(), frame.end()}, offload});
  if (received_.size() == 1) eventfd_write(event_fd_, 1);
  return true;
}

void DummyPort::receive(packet::PacketBatch& batch, packet::PacketPool& pool) {
  const std::lock_guard lock(mutex_);
  while (!batch.full() && !received_.empty()) {
    const Waiting& next = received_.front();
    packet::Packet* const packet = pool.take(static_cast<std::uint32_t>(next.bytes.size()));
    const bool fits = next.bytes.size() <= packet::PacketPool::kLargeBytes;
    if (packet == nullptr && fits) return;  // the pool is exhausted: later
    if (packet != nullptr && packet->assign(next.bytes)) {
      packet->meta.offload = next.offload;
      PortCounters::add(counters_.rx_packets, 1);
      PortCounters::add(counters_.rx_bytes, packet->size());
      batch.push(packet);
    } else {
      PortCounters::add(counters_.rx_errors, 1);  // longer than any packet
      if (packet != nullptr) pool.give(packet);
    }
    received_.pop_front();
  }
  eventfd_t ignored;
  if (received_.empty()) eventfd_read(event_fd_, &ignored);
}

void DummyPort::send(const packet::Packet& packet) {
  if (options_.offloads) return keep(packet.bytes(), packet.meta.offload);
  if (!software_.run(packet.bytes(), packet.meta.offload, [this](Bytes frame) { keep(frame, {}); }))
    PortCounters::add(counters_.tx_errors, 1);
}

void DummyPort::keep(Bytes frame, const packet::Offload& offload) {
  const std::lock_guard lock(mutex_);
  if (options_.max_sent > 0 && sent_.size() >= options_.max_sent) {
    PortCounters::add(counters_.tx_dropped, 1);
    return;
  }
  PortCounters::add(counters_.tx_packets, 1);
  PortCounters::add(counters_.tx_bytes, frame.size());
  write_sent(frame);
  if (options_.max_sent == 0) return;
  sent_.push_back({{frame.begin(), frame.end()}, offload});
  if (sent_.size() == 1 && sent_fd_ >= 0) eventfd_write(sent_fd_, 1);
}

std::optional<DummyPort::Sent> DummyPort::take_sent() {
  const std::lock_guard lock(mutex_);
  if (sent_.empty()) return std::nullopt;
  std::optional<Sent> oldest(std::move(sent_.front()));
  sent_.pop_front();
  eventfd_t ignored;
  if (sent_.empty() && sent_fd_ >= 0) eventfd_read(sent_fd_, &ignored);
  return oldest;
}

std::size_t DummyPort::sent_waiting() const {
  const std::lock_guard lock(mutex_);
  return sent_.size();
}

std::size_t DummyPort::received_waiting() const {
  const std::lock_guard lock(mutex_);
  return received_.size();
}

Status DummyPort::capture(const std::string& received_path, const std::string& sent_path) {
  std::optional<CaptureWriter> received, sent;
  const auto create = [](const std::string& path, std::optional<CaptureWriter>& writer) -> Status {
    if (path.empty()) return {};
    SLUICE_ASSIGN(writer, CaptureWriter::create(path, false));
    return writer->flush();  // the file is one from the first moment
  };
  const bool one = received_path == sent_path;
  SLUICE_TRY(create(received_path, received));
  if (!one) SLUICE_TRY(create(sent_path, sent));
  const std::lock_guard lock(mutex_);
  received_capture_ = std::move(received);
  sent_capture_ = std::move(sent);
  one_capture_ = one;
  return {};
}

void DummyPort::write_received(Bytes frame) {
  if (!received_capture_ || !received_capture_->write(next_stamp(), frame)) return;
  (void)received_capture_->flush();  // who reads the file sees every frame
}

void DummyPort::write_sent(Bytes frame) {
  if (one_capture_) return write_received(frame);
  if (sent_capture_ && sent_capture_->write(next_stamp(), frame)) (void)sent_capture_->flush();
}

void DummyPort::add_address(const Address& address) {
  const std::lock_guard lock(mutex_);
  addresses_.push_back(address);
}

std::vector<DummyPort::Address> DummyPort::addresses() const {
  const std::lock_guard lock(mutex_);
  return addresses_;
}

void DummyPort::set_link(bool up) {
  link_up_.store(up, std::memory_order_relaxed);
}

}  // namespace sluice::port
