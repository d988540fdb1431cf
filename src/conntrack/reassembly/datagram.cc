#include "conntrack/reassembly/datagram.h"

#include <algorithm>
#include <cstring>

#include "wire/checksum_verify.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/walk.h"

namespace sluice::conntrack {
namespace {

using packet::DropReason;
using packet::Packet;
using packet::PacketPool;

constexpr std::uint8_t kEcnMask = 3, kCongestion = 3, kNotCapable = 0;

/// The part of a range of the datagram that lies in one page.
struct Slice {
  std::uint32_t page, from, bytes;  ///< place of the page, first byte in it
  std::uint64_t units;              ///< of the page, a bit each
};

/// Calls visit(slice) for each page that [offset, offset + bytes) touches, until it returns false.
template <typename Visit>
bool for_each_slice(std::uint32_t offset, std::uint32_t bytes, Visit&& visit) {
  for (const std::uint32_t end = offset + bytes; offset < end;) {
    Slice slice;
    slice.page = offset / Page::kBytes;
    slice.from = offset % Page::kBytes;
    slice.bytes = std::min(end - offset, Page::kBytes - slice.from);
    const std::uint32_t count = (slice.bytes + 7) / 8;
    const std::uint64_t ones = count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
    slice.units = ones << slice.from / 8;
    if (!visit(slice)) return false;
    offset += slice.bytes;
  }
  return true;
}

const Page* page_at(const Datagram& datagram, std::uint32_t place, const PageSlab& pages) {
  if (place >= Datagram::kPages || datagram.table[place] == 0) return nullptr;
  return &pages[datagram.table[place] - 1];
}

bool touches_anything(const Datagram& datagram, const Fragment& fragment, const PageSlab& pages) {
  return !for_each_slice(fragment.offset, fragment.bytes, [&](const Slice& slice) {
    const Page* const page = page_at(datagram, slice.page, pages);
    return page == nullptr || (page->filled & slice.units) == 0;
  });
}

/// Whether one fragment with these very bounds and bytes came before.
bool came_before(const Datagram& datagram, const Fragment& fragment, const PageSlab& pages) {
  const std::uint8_t* data = fragment.data;
  bool first = true;
  const bool same = for_each_slice(fragment.offset, fragment.bytes, [&](const Slice& slice) {
    const Page* const page = page_at(datagram, slice.page, pages);
    if (page == nullptr || (page->filled & slice.units) != slice.units) return false;
    const std::uint64_t expected_start = first ? std::uint64_t{1} << slice.from / 8 : 0;
    if ((page->starts & slice.units) != expected_start) return false;
    if (std::memcmp(page->bytes + slice.from, data, slice.bytes) != 0) return false;
    data += slice.bytes;
    first = false;
    return true;
  });
  if (!same) return false;
  if (fragment.end() == datagram.total) return true;
  const std::uint32_t unit = fragment.end() / 8;
  const Page* const behind = page_at(datagram, unit / Page::kUnits, pages);
  if (behind == nullptr) return true;
  const std::uint64_t bit = std::uint64_t{1} << unit % Page::kUnits;
  return (behind->filled & bit) == 0 || (behind->starts & bit) != 0;
}

std::uint32_t take_page(PageSlab& pages, std::uint32_t hint) {
  const std::uint32_t name = pages.allocate(hint);
  if (name == PageSlab::kNone) return 0;
  pages[name].filled = pages[name].starts = 0;
  return name + 1;
}

void copy_bytes(const Datagram& datagram, const PageSlab& pages, std::uint8_t* to) {
  for (std::uint32_t at = 0; at < datagram.total; at += Page::kBytes)
    std::memcpy(to + at, page_at(datagram, at / Page::kBytes, pages)->bytes,
                std::min(Page::kBytes, datagram.total - at));
}

void mend_ipv4(const Datagram& datagram, std::uint8_t ecn, Packet& whole) {
  using Ipv4 = wire::Ipv4Header<std::uint8_t>;
  const Ipv4 ip(whole.data() + datagram.l3);
  ip.set_tos(static_cast<std::uint8_t>((ip.tos() & ~kEcnMask) | ecn));
  ip.set_total_length(be16{static_cast<std::uint16_t>(whole.size() - datagram.l3)});
  // The sender probes the path with fragments of this size: those that leave, none larger, say so too.
  const bool probes = datagram.dont_fragment_mru == datagram.mru;
  ip.set_flags_offset(be16{probes ? Ipv4::kDontFragment : std::uint16_t{0}});
  wire::fill_ipv4_checksum(ip.at());
}

void mend_ipv6(const Datagram& datagram, std::uint8_t ecn, Packet& whole) {
  using Ipv6 = wire::Ipv6Header<std::uint8_t>;
  const Ipv6 ip(whole.data() + datagram.l3);
  ip.set_traffic_class(static_cast<std::uint8_t>((ip.traffic_class() & ~kEcnMask) | ecn));
  ip.set_payload_length(be16{static_cast<std::uint16_t>(whole.size() - datagram.l3 - Ipv6::kBytes)});
  whole.data()[datagram.next_header_at] = datagram.next_header;
}

std::uint8_t ecn_of(const Datagram& datagram, const std::uint8_t* l3) {
  return (datagram.key.version == IpVersion::V4 ? wire::Ipv4Header(l3).tos()
                                                : wire::Ipv6Header(l3).traffic_class()) &
         kEcnMask;
}

}  // namespace

Fit fit(const Datagram& datagram, const Fragment& fragment, const PageSlab& pages) {
  if (!fragment.more) {
    if (datagram.total != Datagram::kUnknown && datagram.total != fragment.end()) return Fit::Contradiction;
    if (datagram.end > fragment.end()) return Fit::Contradiction;
  } else if (datagram.total != Datagram::kUnknown && fragment.end() >= datagram.total) {
    return Fit::Contradiction;
  }
  if (!touches_anything(datagram, fragment, pages)) return Fit::Fits;
  return came_before(datagram, fragment, pages) ? Fit::Duplicate : Fit::Overlap;
}

unsigned pages_needed(const Datagram& datagram, const Fragment& fragment) {
  unsigned n = fragment.offset == 0 ? 1 : 0;
  for_each_slice(fragment.offset, fragment.bytes, [&](const Slice& slice) {
    n += datagram.table[slice.page] == 0 ? 1 : 0;
    return true;
  });
  return n;
}

bool store(Datagram& datagram, const Fragment& fragment, const Packet& packet, PageSlab& pages) {
  if (fragment.offset == 0) {
    datagram.header_page = take_page(pages, datagram.shard);
    if (datagram.header_page == 0) return false;
    ++datagram.pages;
    std::memcpy(pages[datagram.header_page - 1].bytes, packet.data(), fragment.headers);
    datagram.headers = static_cast<std::uint16_t>(fragment.headers);
    datagram.l3 = packet.layout.l3;
    datagram.next_header_at = static_cast<std::uint16_t>(fragment.next_header_at);
    datagram.next_header = fragment.next_header;
  }
  const std::uint8_t* data = fragment.data;
  const bool stored = for_each_slice(fragment.offset, fragment.bytes, [&](const Slice& slice) {
    std::uint32_t& name = datagram.table[slice.page];
    if (name == 0) {
      name = take_page(pages, datagram.shard);
      if (name == 0) return false;
      ++datagram.pages;
    }
    Page& page = pages[name - 1];
    std::memcpy(page.bytes + slice.from, data, slice.bytes);
    page.filled |= slice.units;
    if (data == fragment.data) page.starts |= std::uint64_t{1} << slice.from / 8;
    data += slice.bytes;
    return true;
  });
  if (!stored) return false;

  ++datagram.fragments;
  datagram.filled += fragment.bytes;
  datagram.end = std::max(datagram.end, fragment.end());
  if (!fragment.more) datagram.total = fragment.end();
  const auto size = static_cast<std::uint16_t>(std::min(fragment.ip_bytes, kMaxDatagram));
  datagram.mru = std::max(datagram.mru, size);
  if (fragment.dont_fragment) datagram.dont_fragment_mru = std::max(datagram.dont_fragment_mru, size);
  datagram.ecn = static_cast<std::uint8_t>(datagram.ecn | 1 << fragment.ecn);
  return true;
}

unsigned release_pages(Datagram& datagram, PageSlab& pages) {
  const unsigned n = datagram.pages;
  const auto release = [&](std::uint32_t& name) {
    if (name == 0) return;
    pages.release(name - 1, datagram.shard);
    name = 0;
    --datagram.pages;
  };
  release(datagram.header_page);
  for (std::uint32_t place = 0; datagram.pages > 0; ++place) release(datagram.table[place]);
  return n;
}

std::optional<std::uint8_t> merge_ecn(std::uint8_t seen, std::uint8_t first) {
  const bool congestion = (seen >> kCongestion & 1) != 0;
  const bool not_capable = (seen >> kNotCapable & 1) != 0;
  if (congestion && not_capable) return std::nullopt;
  if (congestion) return kCongestion;
  return not_capable ? kNotCapable : first;
}

Packet* assemble(const Datagram& datagram, const PageSlab& pages, PacketPool& pool,
                 std::optional<DropReason>& refused) {
  const std::uint8_t* const headers = pages[datagram.header_page - 1].bytes;
  const bool is_ipv4 = datagram.key.version == IpVersion::V4;
  const std::uint32_t size = datagram.headers + datagram.total;
  const std::uint32_t uncounted =
      datagram.l3 + (is_ipv4 ? 0 : static_cast<std::uint32_t>(wire::Ipv6Header<std::uint8_t>::kBytes));
  const auto ecn = merge_ecn(datagram.ecn, ecn_of(datagram, headers + datagram.l3));
  if (size - uncounted > kMaxDatagram)
    refused = DropReason::FragmentTooLong;
  else if (!ecn)
    refused = DropReason::FragmentEcn;
  if (refused) return nullptr;

  Packet* const whole = pool.take(size);
  if (whole == nullptr) {
    refused = DropReason::NoBuffer;
    return nullptr;
  }
  whole->resize(size);
  std::memcpy(whole->data(), headers, datagram.headers);
  copy_bytes(datagram, pages, whole->data() + datagram.headers);
  if (is_ipv4)
    mend_ipv4(datagram, *ecn, *whole);
  else
    mend_ipv6(datagram, *ecn, *whole);
  wire::walk(whole->bytes(), whole->layout);
  whole->meta.mru = datagram.mru;
  whole->meta.fragment_id = is_ipv4 ? 0 : datagram.key.id.host();
  return whole;
}

}  // namespace sluice::conntrack
