#include "conntrack/nat/search.h"

#include <algorithm>

namespace sluice::conntrack::nat {
namespace {

constexpr std::uint16_t kHighest = 65535;

/// The client's address alone, without secret: the same after a restart.
std::uint64_t persistent_hash(const TupleKey& original) {
  const be128 client = original.address(Side::Source);
  return hash_mix(hash_mix(0x9e3779b97f4a7c15, client.hi.host()), client.lo.host());
}

}  // namespace

PortSpan class_of(std::uint16_t source_port) {
  if (source_port < 512) return {1, 511};
  if (source_port < 1024) return {600, 1023};
  return {1024, kHighest};
}

Search::Search(const TupleKey& original, const NatRange& range, const Secret& secret, std::uint64_t random,
               PortLanes& lanes)
    : original_(original),
      secret_(secret),
      random_(random),
      lanes_(lanes),
      side_(range.kind == NatRange::Kind::Source ? Side::Destination : Side::Source) {
  offer_.reply = reversed(original);
  offer_.kind = range.kind;
  const std::uint64_t spread = original.hash(secret);

  const Address kept = number_of(offer_.reply.address(side_));
  first_address_ = kept;
  addresses_ = 1;
  const Address all_zero = range.is_ipv6 ? 0 : number_of(net::v4_mapped(be32{}));
  if (range.has_address && number_of(range.max_address) != all_zero) {
    possible_ = range.is_ipv6 == original.is_ipv6();
    first_address_ = number_of(range.min_address);
    const Address last = number_of(range.max_address);
    addresses_ = last - first_address_ + 1;
    if (addresses_ == 0) --addresses_;  // all 2^128 but one
  }
  const std::uint64_t place = range.persistent ? persistent_hash(original) : range.random ? random : spread;
  // IPv6 ranges of more than 2^64 addresses are used from their first 2^64 on.
  const std::uint64_t number = place ^ place >> 32;
  if (addresses_ >> 64 != 0)
    chosen_ = number;
  else
    chosen_ = addresses_ == 1 ? 0 : number % static_cast<std::uint64_t>(addresses_);

  const std::uint16_t port = offer_.reply.port(side_);
  const bool named = range.has_ports && range.max_port != 0 && !original.is_icmp();
  if (original.is_icmp())
    ports_ = {0, kHighest};
  else if (named)
    ports_ = {std::max<std::uint16_t>(range.min_port, 1), range.max_port};
  else if (side_ == Side::Destination)
    ports_ = class_of(port);
  else
    ports_ = {port, port};

  const std::uint64_t start = range.random ? random : spread;
  first_port_ = port;
  if (range.random || (named && (range.hash || !ports_.contains(port))))
    first_port_ = static_cast<std::uint16_t>(ports_.first + (start >> 16) % ports_.size());

  offer_.counts_by_source = side_ == Side::Source && ports_.size() > kSmall;
  if (side_ == Side::Source) {
    client_port_ = offer_.reply.port(Side::Destination);
    client_ports_ = class_of(client_port_);
  }
}

std::uint64_t Search::pool_name() const {
  const auto mix_address = [](std::uint64_t name, Address a) {
    return hash_mix(hash_mix(name, static_cast<std::uint64_t>(a >> 64)), static_cast<std::uint64_t>(a));
  };
  const auto mix_span = [](std::uint64_t name, const PortSpan& span, std::uint16_t start) {
    // A start outside of its span is an offer of its own.
    const std::uint64_t extra = span.contains(start) ? 0 : std::uint64_t{start} + 1;
    return hash_mix(name, extra << 32 | std::uint64_t{span.first} << 16 | span.last);
  };
  const TupleKey plain = reversed(original_);
  const bool source_nat = side_ == Side::Destination;
  std::uint64_t name = hash_mix(secret_.address_hi, plain.key.words().rest >> 32);
  name = mix_address(name, number_of(plain.address(source_nat ? Side::Source : Side::Destination)));
  name = mix_address(mix_address(name, first_address_), addresses_);
  name = mix_span(mix_span(name, ports_, first_port_), client_ports_, client_port_);
  // What stays as it is. An ICMP id never does, its type does.
  const std::uint32_t kept = original_.is_icmp() ? plain.key.ports >> 16
                             : source_nat        ? plain.port(Side::Source)
                                                 : 0;
  return hash_mix(name, std::uint64_t{source_nat} << 32 | kept);
}

void Search::select_address(Address i) {
  Address at = chosen_ + i;
  if (at >= addresses_) at -= addresses_;
  offer_.reply.key.ports = reversed(original_).key.ports;  // not what an earlier lane tried last
  offer_.reply.set_address(side_, address_of(first_address_ + at), secret_);
}

void Search::select_port(std::uint32_t i) {
  const std::uint32_t at = (std::uint32_t{first_port_} - ports_.first + i) % ports_.size();
  offer_.reply.set_port(side_, static_cast<std::uint16_t>(ports_.first + at));
}

}  // namespace sluice::conntrack::nat
