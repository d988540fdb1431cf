#include "conntrack/reason_log.h"

#include <algorithm>

#include "base/hash.h"
#include "base/spin_lock.h"
#include "net/address.h"
#include "net/protocol.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

namespace sluice::conntrack {
namespace {

/// Looked at for one pair of zone and reason.
constexpr unsigned kMaxProbes = 32;

/// A lock that samples are given up for.
class TryLock {
 public:
  explicit TryLock(std::atomic<bool>& word)
      : word_(word),
        held_(!word.load(std::memory_order_relaxed) && !word.exchange(true, std::memory_order_acquire)) {}
  ~TryLock() {
    if (held_) word_.store(false, std::memory_order_release);
  }
  TryLock(const TryLock&) = delete;
  TryLock& operator=(const TryLock&) = delete;
  explicit operator bool() const { return held_; }

 private:
  std::atomic<bool>& word_;
  const bool held_;
};

/// For readers, who can wait: whoever holds it copies a sample.
class Lock {
 public:
  explicit Lock(std::atomic<bool>& word) : word_(word) {
    while (word.exchange(true, std::memory_order_acquire)) cpu_relax();
  }
  ~Lock() { word_.store(false, std::memory_order_release); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  std::atomic<bool>& word_;
};

/// 0 is no key.
constexpr std::uint32_t key_of(std::uint16_t zone, Reason reason) {
  return std::uint32_t{zone} << 8 | static_cast<std::uint32_t>(reason);
}
static_assert(kReasonCount <= 256 && static_cast<unsigned>(Reason::None) == 0);

}  // namespace

struct ReasonLog::Row {
  std::atomic<std::uint32_t> key{0};
  mutable std::atomic<bool> busy{false};
  std::atomic<std::uint64_t> packets{0};
  ReasonSample last;
};

struct ReasonLog::Stripe {
  mutable std::atomic<bool> busy{false};
  unsigned next = 0;
  std::array<ReasonSample, kRecent> ring;
};

ReasonLog::ReasonLog()
    : rows_(std::make_unique<Row[]>(kRows)), stripes_(std::make_unique<Stripe[]>(kStripes)) {}
ReasonLog::~ReasonLog() = default;

ReasonLog::Row* ReasonLog::row_of(std::uint16_t zone, Reason reason) {
  const std::uint32_t key = key_of(zone, reason);
  const auto start = static_cast<std::uint32_t>(hash_mix(key, 0x9e3779b97f4a7c15));
  for (unsigned n = 0; n < kMaxProbes; ++n) {
    Row& row = rows_[(start + n) % kRows];
    std::uint32_t seen = row.key.load(std::memory_order_relaxed);
    if (seen == 0 && row.key.compare_exchange_strong(seen, key, std::memory_order_relaxed)) return &row;
    if (seen == key) return &row;
  }
  return nullptr;
}

void ReasonLog::count(std::uint16_t zone, Reason reason, std::uint32_t packets) {
  Row* const row = row_of(zone, reason);
  auto& counter = row != nullptr ? row->packets : other_zones_[static_cast<unsigned>(reason)];
  counter.fetch_add(packets, std::memory_order_relaxed);
}

void ReasonLog::add(unsigned stripe, const ReasonSample& sample) {
  if (Row* const row = row_of(sample.zone, sample.reason); row != nullptr)
    if (const TryLock lock(row->busy); lock) row->last = sample;
  Stripe& mine = stripes_[stripe];
  if (const TryLock lock(mine.busy); lock) mine.ring[mine.next++ % kRecent] = sample;
}

ReasonReport ReasonLog::report(std::optional<std::uint16_t> zone) const {
  ReasonReport report;
  for (unsigned i = 0; i < kRows; ++i) {
    const Row& row = rows_[i];
    const std::uint32_t key = row.key.load(std::memory_order_relaxed);
    if (key == 0 || (zone && key >> 8 != *zone)) continue;
    const Lock lock(row.busy);
    report.rows.push_back({static_cast<std::uint16_t>(key >> 8), static_cast<Reason>(key & 0xff),
                           row.packets.load(std::memory_order_relaxed), row.last});
  }
  std::sort(report.rows.begin(), report.rows.end(),
            [](const auto& a, const auto& b) { return key_of(a.zone, a.reason) < key_of(b.zone, b.reason); });
  for (unsigned r = 0; r < kReasonCount; ++r)
    report.other_zones[r] = other_zones_[r].load(std::memory_order_relaxed);
  for (unsigned s = 0; s < kStripes; ++s) {
    const Lock lock(stripes_[s].busy);
    for (const ReasonSample& sample : stripes_[s].ring)
      if (sample.reason != Reason::None && (!zone || sample.zone == *zone)) report.recent.push_back(sample);
  }
  std::stable_sort(report.recent.begin(), report.recent.end(),
                   [](const ReasonSample& a, const ReasonSample& b) { return a.time_ns < b.time_ns; });
  return report;
}

ReasonSample sample_of(const packet::Packet& packet, std::uint16_t zone, Reason reason, bool dropped,
                       Instant now) {
  ReasonSample sample{.time_ns = now.ns, .zone = zone, .reason = reason, .dropped = dropped};
  sample.in_port = packet.meta.in_port;
  sample.bytes = packet.size();
  const wire::Layout& layout = packet.layout;
  if (!layout.has_l3()) return sample;
  Tuple& tuple = sample.tuple;
  const std::uint8_t* const l3 = packet.data() + layout.l3;
  if (layout.eth_type == be16{net::ethertype::kIpv4}) {
    tuple.src = net::v4_mapped(be32::load(l3 + 12));
    tuple.dst = net::v4_mapped(be32::load(l3 + 16));
  } else if (layout.eth_type == be16{net::ethertype::kIpv6}) {
    tuple.is_ipv6 = true;
    std::memcpy(&tuple.src, l3 + 8, 16);
    std::memcpy(&tuple.dst, l3 + 24, 16);
  } else {
    return sample;
  }
  tuple.proto = layout.ip_proto;
  if (!layout.has_l4()) return sample;
  const std::uint8_t* const l4 = packet.data() + layout.l4;
  switch (layout.ip_proto) {
    case net::ip_proto::kIcmp:
    case net::ip_proto::kIcmpv6:
      tuple.icmp_type = l4[0];
      tuple.icmp_code = l4[1];
      if (icmp_counterpart(l4[0], tuple.is_ipv6) != 255 && layout.l3_end >= layout.l4 + 8u)
        tuple.src_port = tuple.dst_port = wire::IcmpHeader(l4).id();
      break;
    case net::ip_proto::kTcp: {
      const wire::TcpHeader tcp(l4);
      sample.tcp_flags = tcp.flags().host();
      sample.tcp_seq = tcp.seq().host();
      sample.tcp_ack = tcp.ack().host();
    }
      [[fallthrough]];
    case net::ip_proto::kUdp:
    case net::ip_proto::kSctp:
      tuple.src_port = be16::load(l4);
      tuple.dst_port = be16::load(l4 + 2);
      break;
    default:
      break;
  }
  return sample;
}

}  // namespace sluice::conntrack
