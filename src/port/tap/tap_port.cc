#include "port/tap/tap_port.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "port/netdev.h"
#include "port/software_offload.h"
#include "port/vnet_header.h"

namespace sluice::port {
namespace {

using packet::Packet;
using packet::PacketPool;

constexpr std::uint32_t kMaxFrame = 65536 + 64;
constexpr std::uint32_t kSmallFrame = PacketPool::kSmallBytes;

constexpr const char* kTaken = "the name is taken by another device";

/// What the host may leave undone in packets that it gives us.
constexpr unsigned kOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

Error cannot_create(const std::string& name, const std::string& why) {
  return {"cannot create tap device " + name + ": " + why};
}

}  // namespace

struct TapPort::Impl {
  Impl(int f, int s, const std::string& name) : fd(f), socket(s), netdev(s, name) {}
  ~Impl() {
    if (removes_device) ioctl(fd, TUNSETPERSIST, 0);
    close(fd);
    close(socket);
  }

  int fd;                       ///< the device's
  int socket;                   ///< for questions about the interface
  bool removes_device = false;  ///< it would stay otherwise
  Netdev netdev;
  SoftwareOffload software;

  /// Hands one frame to the host's stack; 0 or the errno.
  int transmit(const VnetHeader& header, Bytes frame) const {
    const std::array<iovec, 2> parts = {
        iovec{const_cast<VnetHeader*>(&header), sizeof header},
        iovec{const_cast<std::uint8_t*>(frame.data()), frame.size()},
    };
    return writev(fd, parts.data(), parts.size()) < 0 ? errno : 0;
  }
};

TapPort::TapPort(std::string name, std::unique_ptr<Impl> impl)
    : Port(std::move(name)), impl_(std::move(impl)) {}
TapPort::~TapPort() = default;

Result<std::unique_ptr<TapPort>> TapPort::create(const std::string& name, const TapOptions& options) {
  SLUICE_TRY(Netdev::check_name(name));
  const auto cannot = [&](const std::string& why) { return tl::unexpected(cannot_create(name, why)); };
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return cannot(std::string("/dev/net/tun: ") + std::strerror(errno));
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  auto impl = std::make_unique<Impl>(fd, socket, name);
  if (socket < 0) return cannot(std::strerror(errno));

  const bool is_there = impl->netdev.index().has_value();
  if (is_there && !options.persistent) return cannot(kTaken);
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(fd, TUNSETIFF, &request) != 0) return cannot(is_there ? kTaken : std::strerror(errno));
  int header_size = sizeof(VnetHeader);
  if (ioctl(fd, TUNSETVNETHDRSZ, &header_size) != 0 || ioctl(fd, TUNSETOFFLOAD, kOffloads) != 0)
    return cannot(std::string("offloads: ") + std::strerror(errno));

  auto port = std::unique_ptr<TapPort>(new TapPort(name, std::move(impl)));
  if (options.mac) SLUICE_TRY(port->set_mac(*options.mac));
  if (!is_there) SLUICE_TRY(port->set_mtu(options.mtu));
  if (options.up) SLUICE_TRY(port->set_admin_up(true));
  if (options.persistent) {
    if (ioctl(fd, TUNSETPERSIST, 1) != 0) return cannot(std::string("to stay: ") + std::strerror(errno));
    port->impl_->removes_device = true;
  }
  return port;
}

void TapPort::keep_device() {
  impl_->removes_device = false;
}

Status TapPort::set_mac(const net::Mac& mac) {
  return impl_->netdev.set_mac(mac);
}
Status TapPort::set_mtu(std::uint32_t mtu) {
  return impl_->netdev.set_mtu(mtu);
}

void TapPort::receive(packet::PacketBatch& batch, PacketPool& pool) {
  Impl& impl = *impl_;
  // For the tail of a frame that a small packet does not hold.
  thread_local std::array<std::uint8_t, kMaxFrame> spill;
  while (!batch.full()) {
    Packet* packet = pool.take(kSmallFrame);
    if (packet == nullptr) return;
    const std::uint32_t room = std::min(packet->tailroom(), kMaxFrame);
    VnetHeader header;
    const std::array<iovec, 3> parts = {iovec{&header, sizeof header}, iovec{packet->data(), room},
                                        iovec{spill.data(), spill.size()}};
    const ssize_t got = readv(impl.fd, parts.data(), parts.size());
    if (got < static_cast<ssize_t>(sizeof header)) {
      // EAGAIN: nothing waits. EIO: the device is down, and nothing waits either.
      if (got >= 0 || (errno != EAGAIN && errno != EINTR && errno != EIO))
        PortCounters::add(counters_.rx_errors, 1);
      pool.give(packet);
      return;
    }
    const auto size = static_cast<std::uint32_t>(got - static_cast<ssize_t>(sizeof header));
    if (size > room) {
      Packet* const large = pool.take(size);
      if (large != nullptr) {
        large->resize(size);
        std::memcpy(large->data(), packet->data(), room);
        std::memcpy(large->data() + room, spill.data(), size - room);
      }
      pool.give(packet);
      packet = large;
      if (packet == nullptr) {
        PortCounters::add(counters_.rx_dropped, 1);
        continue;
      }
    } else {
      packet->resize(size);
    }
    packet->meta.offload = offload_of(header, size);
    PortCounters::add(counters_.rx_packets, 1);
    PortCounters::add(counters_.rx_bytes, size);
    batch.push(packet);
  }
}

void TapPort::send(const Packet& packet) {
  VnetHeader header;
  int error = make_vnet_header(packet, header) ? impl_->transmit(header, packet.bytes()) : EINVAL;
  if (error == EINVAL) {
    error = 0;
    const bool sound = impl_->software.run(packet.bytes(), packet.meta.offload, [&](Bytes frame) {
      if (error == 0) error = impl_->transmit({}, frame);
    });
    if (!sound) error = EINVAL;
  }
  if (error == 0) {
    PortCounters::add(counters_.tx_packets, 1);
    PortCounters::add(counters_.tx_bytes, packet.size());
  } else {
    // EIO: the device is down.
    PortCounters::add(
        error == EAGAIN || error == ENOBUFS || error == EIO ? counters_.tx_dropped : counters_.tx_errors, 1);
  }
}

int TapPort::receive_fd() const {
  return impl_->fd;
}
net::Mac TapPort::mac() const {
  return impl_->netdev.mac();
}
std::uint32_t TapPort::mtu() const {
  return impl_->netdev.mtu();
}
bool TapPort::link_up() const {
  return impl_->netdev.running();
}
std::optional<bool> TapPort::admin_up() const {
  return impl_->netdev.up();
}
Status TapPort::set_admin_up(bool up) {
  return impl_->netdev.set_up(up);
}

}  // namespace sluice::port
