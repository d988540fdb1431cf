#include "port/af_packet/af_packet_port.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "net/protocol.h"
#include "port/netdev.h"
#include "port/qos.h"
#include "port/software_offload.h"
#include "port/vnet_header.h"

namespace sluice::port {
namespace {

using packet::Packet;
using packet::PacketPool;

constexpr std::uint32_t kBatch = limits::kBatchSize;
/// A frame of a GSO packet: 64 KiB of IP datagram, Ethernet header and tags.
constexpr std::uint32_t kMaxFrame = 65536 + 64;
/// What a small pool packet takes behind its headroom.
constexpr std::uint32_t kSmallFrame = PacketPool::kSmallBytes;
/// Socket buffers: 4 ms of 10 Gbit/s, with the kernel's overhead per packet about twice that.
constexpr int kSocketBufferBytes = 16 << 20;
/// After this many receive calls without a long packet, small pool packets are offered again.
constexpr unsigned kLongMemory = 64;

std::string errno_text() {
  return std::strerror(errno);
}

/// Memory for the tail of long frames, mapped so that what is never used costs nothing.
class SpillMemory {
 public:
  SpillMemory()
      : base_(
            static_cast<std::uint8_t*>(mmap(nullptr, std::size_t{kBatch} * kMaxFrame, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}
  ~SpillMemory() {
    if (made()) munmap(base_, std::size_t{kBatch} * kMaxFrame);
  }
  bool made() const { return base_ != MAP_FAILED; }
  SpillMemory(const SpillMemory&) = delete;
  SpillMemory& operator=(const SpillMemory&) = delete;
  std::uint8_t* slot(unsigned i) const { return base_ + std::size_t{i} * kMaxFrame; }

 private:
  std::uint8_t* base_;
};

/// The tag that the kernel took off the frame.
struct StrippedTag {
  bool present = false;
  std::uint16_t tpid = 0, tci = 0;
};

StrippedTag stripped_tag(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata aux;
    std::memcpy(&aux, CMSG_DATA(c), sizeof aux);
    if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0) return {};
    const bool has_tpid = (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
    return {true, has_tpid ? aux.tp_vlan_tpid : net::ethertype::kVlan, aux.tp_vlan_tci};
  }
  return {};
}

/// Binds the socket to the interface and makes the interface promiscuous for as long as the socket is bound.
Status bind_to(int socket, const std::string& name, int index) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = index;
  if (bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail("cannot bind to interface " + name + ": " + errno_text());
  packet_mreq membership{};
  membership.mr_ifindex = index;
  membership.mr_type = PACKET_MR_PROMISC;
  if (setsockopt(socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership) != 0)
    return fail("cannot make interface " + name + " promiscuous: " + errno_text());
  return {};
}

Status configure(int socket, const std::string& name) {
  const int on = 1;
  const auto enable = [&](int option) { return setsockopt(socket, SOL_PACKET, option, &on, sizeof on) == 0; };
  if (!enable(PACKET_VNET_HDR) || !enable(PACKET_AUXDATA) || !enable(PACKET_IGNORE_OUTGOING))
    return fail("cannot open interface " + name + ": the kernel lacks a packet socket option (" +
                errno_text() + ")");
  // The limits of rmem_max do not hold for CAP_NET_ADMIN; less than wanted works too.
  for (const auto& [forced, plain] :
       {std::array{SO_RCVBUFFORCE, SO_RCVBUF}, std::array{SO_SNDBUFFORCE, SO_SNDBUF}})
    if (setsockopt(socket, SOL_SOCKET, forced, &kSocketBufferBytes, sizeof kSocketBufferBytes) != 0)
      setsockopt(socket, SOL_SOCKET, plain, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  return {};
}

}  // namespace

struct AfPacketPort::Impl {
  Impl(int s, const std::string& name) : socket(s), netdev(s, name) {}
  ~Impl() { close(socket); }

  int socket;
  Netdev netdev;
  int index = 0;

  // Receiving.
  struct Slot {
    VnetHeader header;
    std::array<iovec, 3> parts;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(tpacket_auxdata))> control;
  };
  std::array<Slot, kBatch> slots{};
  std::array<mmsghdr, kBatch> incoming{};
  SpillMemory spill;
  unsigned offered = 4;      ///< packets offered to the kernel at once: follows the load
  unsigned long_offers = 0;  ///< receive calls that still offer large packets

  // Sending: frames wait here until flush().
  struct Queued {
    VnetHeader header;
    std::uint32_t size;
    packet::Offload offload;
  };
  std::array<Queued, kBatch> queue{};
  /// The frame of each. It costs memory when there is one.
  const std::unique_ptr<std::uint8_t[]> frames =
      std::make_unique_for_overwrite<std::uint8_t[]>(std::size_t{kBatch} * kSmallFrame);
  unsigned queued = 0;
  std::uint32_t priority = 0;  ///< Metadata::skb_priority of what the socket sends
  SoftwareOffload software;

  std::uint8_t* frame(unsigned i) const { return frames.get() + std::size_t{i} * kSmallFrame; }
  /// Fills `taken` with empty packets and points the kernel at them; how many there are.
  unsigned offer(std::array<Packet*, kBatch>& taken, unsigned wanted, PacketPool& pool);
  /// Hands one frame to the kernel; 0 or the errno.
  int transmit(const VnetHeader& header, Bytes frame) const;
  /// Sends a frame whose offload the kernel or virtio does not take; 0 or the first errno.
  int transmit_in_software(Bytes frame, const packet::Offload& offload);
  /// Makes a packet of what the kernel put into slot i; nullptr if it must be dropped.
  Packet* accept(unsigned i, Packet* packet, PacketPool& pool);
};

namespace {

/// Number of bytes that a small or large pool packet offers to the kernel.
std::uint32_t frame_room(const Packet& packet) {
  return std::min(packet.tailroom(), kMaxFrame);
}

}  // namespace

unsigned AfPacketPort::Impl::offer(std::array<Packet*, kBatch>& taken, unsigned wanted, PacketPool& pool) {
  unsigned n = 0;
  for (; n < wanted; ++n) {
    Packet* packet = pool.take(long_offers > 0 ? kMaxFrame : kSmallFrame);
    if (packet == nullptr && long_offers > 0) packet = pool.take(kSmallFrame);
    if (packet == nullptr) break;
    taken[n] = packet;
    Slot& slot = slots[n];
    slot.parts[0] = {&slot.header, sizeof slot.header};
    slot.parts[1] = {packet->data(), frame_room(*packet)};
    slot.parts[2] = {spill.slot(n), kMaxFrame};
    msghdr& message = incoming[n].msg_hdr;
    message = {};
    message.msg_iov = slot.parts.data();
    message.msg_iovlen = slot.parts.size();
    message.msg_control = slot.control.data();
    message.msg_controllen = slot.control.size();
  }
  return n;
}

Packet* AfPacketPort::Impl::accept(unsigned i, Packet* packet, PacketPool& pool) {
  Slot& slot = slots[i];
  if (incoming[i].msg_len < sizeof slot.header || (incoming[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
    pool.give(packet);
    return nullptr;
  }
  const std::uint32_t size = incoming[i].msg_len - static_cast<std::uint32_t>(sizeof slot.header);
  const std::uint32_t room = frame_room(*packet);
  if (size > kSmallFrame) long_offers = kLongMemory;
  if (size > room) {
    Packet* const large = pool.take(size);
    if (large != nullptr) {
      large->resize(size);
      std::memcpy(large->data(), packet->data(), room);
      std::memcpy(large->data() + room, spill.slot(i), size - room);
    }
    pool.give(packet);
    if (large == nullptr) return nullptr;
    packet = large;
  } else {
    packet->resize(size);
  }
  packet->meta.offload = offload_of(slot.header, size);
  const StrippedTag tag = stripped_tag(incoming[i].msg_hdr);
  if (tag.present && !insert_vlan(*packet, tag.tpid, tag.tci)) {
    pool.give(packet);
    return nullptr;
  }
  return packet;
}

AfPacketPort::AfPacketPort(std::string name, std::unique_ptr<Impl> impl)
    : Port(std::move(name)), impl_(std::move(impl)) {}
AfPacketPort::~AfPacketPort() = default;

Result<std::unique_ptr<AfPacketPort>> AfPacketPort::open(const std::string& interface) {
  SLUICE_TRY(Netdev::check_name(interface));
  // Protocol 0: nothing is received until bind() names the interface.
  const int socket = ::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0)
    return fail("cannot open interface " + interface + ": no packet socket (" + errno_text() +
                "); it takes root or CAP_NET_RAW");
  auto impl = std::make_unique<Impl>(socket, interface);
  if (!impl->spill.made())
    return fail("cannot open interface " + interface + ": no memory for long frames (" + errno_text() + ")");
  const auto index = impl->netdev.index();
  if (!index) return fail("cannot open interface " + interface + ": no such device");
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  if (ioctl(socket, SIOCGIFHWADDR, &request) != 0 || request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
    return fail("cannot open interface " + interface + ": it is not an Ethernet device");
  SLUICE_TRY(configure(socket, interface));
  SLUICE_TRY(bind_to(socket, interface, *index));
  impl->index = *index;
  return std::unique_ptr<AfPacketPort>(new AfPacketPort(interface, std::move(impl)));
}

void AfPacketPort::receive(packet::PacketBatch& batch, PacketPool& pool) {
  Impl& impl = *impl_;
  while (!batch.full()) {
    std::array<Packet*, kBatch> taken;
    const unsigned wanted = std::min<unsigned>(impl.offered, kBatch - batch.size());
    const unsigned offered = impl.offer(taken, wanted, pool);
    if (offered == 0) return;  // the pool is exhausted: the socket's buffer holds what comes
    const int got = recvmmsg(impl.socket, impl.incoming.data(), offered, MSG_DONTWAIT, nullptr);
    const auto received = static_cast<unsigned>(std::max(got, 0));
    // ENETDOWN comes once when the interface goes down or away; nothing waits then.
    if (got < 0 && errno != EAGAIN && errno != EINTR) PortCounters::add(counters_.rx_errors, 1);

    if (impl.long_offers > 0) --impl.long_offers;
    std::uint64_t packets = 0, bytes = 0;
    for (unsigned i = 0; i < received; ++i) {
      Packet* const packet = impl.accept(i, taken[i], pool);
      if (packet == nullptr) {
        PortCounters::add(counters_.rx_dropped, 1);
        continue;
      }
      ++packets;
      bytes += packet->size();
      batch.push(packet);
    }
    for (unsigned i = received; i < offered; ++i) pool.give(taken[i]);
    if (packets > 0) {
      PortCounters::add(counters_.rx_packets, packets);
      PortCounters::add(counters_.rx_bytes, bytes);
    }
    if (received < offered) {
      impl.offered = std::clamp(received + 1, 4u, kBatch);
      return;
    }
    impl.offered = kBatch;
  }
}

int AfPacketPort::Impl::transmit(const VnetHeader& header, Bytes frame) const {
  std::array<iovec, 2> parts = {
      iovec{const_cast<VnetHeader*>(&header), sizeof header},
      iovec{const_cast<std::uint8_t*>(frame.data()), frame.size()},
  };
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return sendmsg(socket, &message, MSG_DONTWAIT) < 0 ? errno : 0;
}

int AfPacketPort::Impl::transmit_in_software(Bytes frame, const packet::Offload& offload) {
  int error = 0;
  const bool sound = software.run(frame, offload, [&](Bytes segment) {
    if (error == 0) error = transmit({}, segment);
  });
  return sound ? error : EINVAL;
}

void AfPacketPort::count_sent(int error, std::uint32_t bytes) {
  if (error == 0) {
    PortCounters::add(counters_.tx_packets, 1);
    PortCounters::add(counters_.tx_bytes, bytes);
  } else {
    // A full buffer or queue is the network's business, the rest are errors.
    PortCounters::add(error == EAGAIN || error == ENOBUFS ? counters_.tx_dropped : counters_.tx_errors, 1);
  }
}

void AfPacketPort::send(const Packet& packet) {
  Impl& impl = *impl_;
  if (packet.meta.skb_priority != impl.priority) change_priority(packet.meta.skb_priority);
  VnetHeader header;
  const bool told = make_vnet_header(packet, header);
  if (told && packet.size() <= kSmallFrame) {
    std::memcpy(impl.frame(impl.queued), packet.data(), packet.size());
    impl.queue[impl.queued++] = {header, packet.size(), packet.meta.offload};
    if (impl.queued == kBatch) flush();
    return;
  }
  flush();  // keeps the order
  int error = told ? impl.transmit(header, packet.bytes()) : EINVAL;
  if (error == EINVAL || error == EMSGSIZE)
    error = impl.transmit_in_software(packet.bytes(), packet.meta.offload);
  count_sent(error, packet.size());
}

/// For what is sent from now on: it chooses the class of the interface's queueing discipline.
void AfPacketPort::change_priority(std::uint32_t priority) {
  flush();
  impl_->priority = priority;
  const int value = static_cast<int>(priority_of_queue(priority));
  (void)setsockopt(impl_->socket, SOL_SOCKET, SO_PRIORITY, &value,
                   sizeof value);  // refused: the default class
}

void AfPacketPort::flush() {
  Impl& impl = *impl_;
  if (impl.queued == 0) return;
  std::array<mmsghdr, kBatch> messages;
  std::array<std::array<iovec, 2>, kBatch> parts;
  for (unsigned i = 0; i < impl.queued; ++i) {
    Impl::Queued& queued = impl.queue[i];
    parts[i] = {iovec{&queued.header, sizeof queued.header}, iovec{impl.frame(i), queued.size}};
    messages[i] = {};
    messages[i].msg_hdr.msg_iov = parts[i].data();
    messages[i].msg_hdr.msg_iovlen = parts[i].size();
  }
  const auto drop_rest = [&](unsigned from, int error) {
    for (unsigned i = from; i < impl.queued; ++i) count_sent(error, 0);
  };
  for (unsigned done = 0; done < impl.queued;) {
    const int sent = sendmmsg(impl.socket, &messages[done], impl.queued - done, MSG_DONTWAIT);
    if (sent > 0) {
      std::uint64_t bytes = 0;
      for (int i = 0; i < sent; ++i) bytes += impl.queue[done++].size;
      PortCounters::add(counters_.tx_packets, static_cast<std::uint64_t>(sent));
      PortCounters::add(counters_.tx_bytes, bytes);
      continue;
    }
    const int error = errno;
    if (error == EINTR) continue;
    if (error != EINVAL && error != EMSGSIZE) {  // all behind it would fail alike
      drop_rest(done, error);
      break;
    }
    const unsigned at = done++;
    const Impl::Queued& refused = impl.queue[at];
    const bool had_offload = refused.header.flags != 0 || refused.header.gso_type != 0;
    count_sent(
        had_offload ? impl.transmit_in_software({impl.frame(at), refused.size}, refused.offload) : error,
        refused.size);
  }
  impl.queued = 0;
}

void AfPacketPort::maintain() {
  Impl& impl = *impl_;
  tpacket_stats statistics{};
  socklen_t length = sizeof statistics;
  if (getsockopt(impl.socket, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) == 0)
    PortCounters::add(counters_.rx_dropped, statistics.tp_drops);  // reading sets it to zero
  const auto index = impl.netdev.index();
  if (index && *index != impl.index && bind_to(impl.socket, name_, *index)) impl.index = *index;
}

int AfPacketPort::receive_fd() const {
  return impl_->socket;
}
net::Mac AfPacketPort::mac() const {
  return impl_->netdev.mac();
}
std::uint32_t AfPacketPort::mtu() const {
  return impl_->netdev.mtu();
}
bool AfPacketPort::link_up() const {
  return impl_->netdev.running();
}
std::optional<bool> AfPacketPort::admin_up() const {
  return impl_->netdev.up();
}
Status AfPacketPort::set_admin_up(bool up) {
  return impl_->netdev.set_up(up);
}

}  // namespace sluice::port
