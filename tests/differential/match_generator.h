// Random matches, drawn from the field registry: flow text whose prerequisites hold and whose masks the
// fields allow. Seeded, so that a failure repeats. Used to compare Sluice with the installed Open vSwitch and
// with itself.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "field/field.h"
#include "field/match_text.h"
#include "net/protocol.h"

namespace sluice::testing {

class MatchGenerator {
 public:
  struct Options {
    unsigned most_fields = 6;        ///< beside what fixes EtherType, protocol and connection state
    bool tunnel = true;              ///< tun_* fields
    bool pipeline = true;            ///< registers, metadata, conj_id, actset_output
    bool recirculation = true;       ///< recirc_id, dp_hash
    bool connection = true;          ///< ct_* fields
    bool vlan_tci = true;            ///< the tag as 16 bits, which OXM cannot say in full
    bool rare_prerequisites = true;  ///< arp, mpls, ND as often as IP
  };

  explicit MatchGenerator(std::uint64_t seed) : rng_(seed) {}
  MatchGenerator(std::uint64_t seed, const Options& options) : rng_(seed), options_(options) {}

  /// "tcp,nw_src=10.0.0.0/8,tp_dst=80": valid for ovs-ofctl too. May be empty.
  std::string text() {
    words_.clear();
    match_ = {};
    fix_packet_kind();
    if (options_.connection && rng_.chance(30)) fix_connection_state();
    const auto fields = field::all_fields();
    const auto n = rng_.below(options_.most_fields + 1);
    for (std::uint64_t i = 0; i < n; ++i) add(fields[rng_.below(fields.size())]);
    return join();
  }
  /// A text and what it means.
  flow::Match match() {
    auto parsed = field::parse_match(text());
    return parsed ? *parsed : flow::Match{};
  }

  /// A random value of the field, with a random mask if it takes one and chance wants one.
  field::ValueMask value_of(const field::FieldSpec& f) {
    field::ValueMask v{random_value(f), f.valid_bits()};
    if (f.id == field::FieldId::CtState) v.mask = 0xff;
    if (f.id == field::FieldId::VlanVid) v = {0x1000 | rng_.below(0x1000), 0x1fff};
    // ovs-ofctl prints tun_gbp_flags without its mask: not to be compared.
    if (f.mask == field::MaskPolicy::Bitwise && f.id != FieldId::TunGbpFlags && rng_.chance(40))
      v.mask &= random_mask(f.bits);
    if (v.mask == 0) v.mask = f.valid_bits() & ~(f.valid_bits() - 1);  // lowest bit
    // ovs-ofctl takes an IPv6 mask that begins with a decimal digit for a prefix length.
    if (f.format == field::Format::Ipv6) v.mask |= field::FieldValue{0xf} << 124;
    v.value &= v.mask;
    if (f.id == field::FieldId::IpFrag) v = frag();
    return v;
  }

  Rng& rng() { return rng_; }

 private:
  using FieldId = field::FieldId;

  void word(std::string w) {
    const std::size_t equals = w.find('=');
    const std::string_view all = w;
    (void)field::parse_match_word(match_, all.substr(0, equals),
                                  equals == std::string::npos ? std::string_view{} : all.substr(equals + 1),
                                  equals != std::string::npos);
    words_.push_back(std::move(w));
  }

  void fix_packet_kind() {
    static constexpr std::string_view kCommon[] = {"ip",   "ipv6", "icmp", "icmp6", "tcp",
                                                   "tcp6", "udp",  "udp6", "sctp",  "sctp6"};
    static constexpr std::string_view kRare[] = {"arp", "rarp", "mpls", "mplsm", "eth"};
    if (rng_.chance(15)) return;
    if (options_.rare_prerequisites && rng_.chance(30)) {
      word(std::string(kRare[rng_.below(std::size(kRare))]));
      return;
    }
    if (rng_.chance(10)) {
      word("dl_type=0x" + hex(0x0600 + rng_.below(0xf000)));
      return;
    }
    const std::string_view kind = kCommon[rng_.below(std::size(kCommon))];
    word(std::string(kind));
    if ((kind == "ip" || kind == "ipv6") && rng_.chance(30))
      word("nw_proto=" + std::to_string(rng_.below(256)));
    if (kind == "icmp6" && rng_.chance(60)) {
      word(rng_.chance(50) ? "icmp_type=135" : "icmp_type=136");
      if (rng_.chance(60)) word("icmp_code=0");
    }
  }

  void fix_connection_state() {
    static constexpr std::string_view kStates[] = {
        "+trk-inv",         "+trk+new-inv", "+est",    "+trk-inv+rel",
        "+trk+est-new-inv", "0x22/0x3f",    "est|trk", "0x21"};
    word("ct_state=" + std::string(kStates[rng_.below(std::size(kStates))]));
    if (rng_.chance(40)) word("ct_nw_proto=" + std::to_string(1 + rng_.below(255)));
  }

  bool wanted(const field::FieldSpec& f) const {
    const bool registers = f.id >= FieldId::Metadata && f.id <= FieldId::Xxreg3;
    const bool tunnel = f.id >= FieldId::TunId && f.id <= FieldId::TunTtl;
    const bool ct = f.id >= FieldId::CtState && f.id <= FieldId::CtTpDst;
    if (!f.nxm.exists() && !f.oxm.exists() && f.id != FieldId::DlVlan && f.id != FieldId::DlVlanPcp)
      return false;
    if (f.id == FieldId::PacketType) return false;
    if (!options_.vlan_tci && f.id == FieldId::VlanTci) return false;
    if (!options_.tunnel && tunnel) return false;
    if (!options_.pipeline && (registers || f.id == FieldId::ConjId || f.id == FieldId::ActsetOutput))
      return false;
    if (!options_.recirculation && (f.id == FieldId::RecircId || f.id == FieldId::DpHash)) return false;
    return options_.connection || !ct;
  }

  void add(const field::FieldSpec& f) {
    if (!wanted(f) || !field::prerequisites_met(f.needs, match_)) return;
    // Fields that others rest upon are fixed first or not at all; a later word would replace them.
    if (f.id == FieldId::EthType || f.id == FieldId::IpProto || f.id == FieldId::CtNwProto) return;
    const std::uint16_t eth_type = field::fixed_eth_type(match_);
    if (f.needs == field::Prereq::CtTrackedIpv4 && eth_type != net::ethertype::kIpv4) return;
    if (f.needs == field::Prereq::CtTrackedIpv6 && eth_type != net::ethertype::kIpv6) return;
    if (f.needs == field::Prereq::CtTrackedPorts && match_.value.ct_nw_proto == 0) return;
    if (f.id == FieldId::CtState && field::get(match_, f.id).mask != 0) return;
    if (overlaps_earlier(f)) return;
    // A lone "eth" leaves a trace in ovs-ofctl's output only beside recirc_id; Sluice never stores it.
    if (f.id == FieldId::RecircId && !words_.empty() && words_[0] == "eth") return;
    const field::ValueMask v = value_of(f);
    // A later fragment has no ports to match on.
    const bool ports = (match_.mask.bits.tp_src.raw() | match_.mask.bits.tp_dst.raw() |
                        match_.mask.bits.tcp_flags.raw()) != 0;
    if (f.id == FieldId::IpFrag && (v.value & flow::kFragLater) != 0 && ports) return;
    const std::string_view name = !f.alias.empty() && rng_.chance(50) ? f.alias : f.name;
    word(std::string(name) + "=" + spelled(f, v));
  }

  /// Words that share bits replace each other in ways that depend on their order: not what is tested here.
  bool overlaps_earlier(const field::FieldSpec& f) const {
    flow::Mask mine;
    field::unwildcard(mine, f.id);
    for (std::size_t i = 0; i < flow::kKeyWords; ++i)
      if ((flow::word_at(mine.bits, i) & flow::word_at(match_.mask.bits, i)) != 0) return true;
    return false;
  }

  std::string spelled(const field::FieldSpec& f, const field::ValueMask& v) {
    const bool number = f.format == field::Format::Decimal || f.format == field::Format::Hex;
    if (number && f.bits <= 64 && rng_.chance(50)) {
      std::string text = rng_.chance(50) ? std::to_string(static_cast<std::uint64_t>(v.value))
                                         : "0x" + hex(static_cast<std::uint64_t>(v.value));
      const field::FieldValue full = f.id == FieldId::VlanVid ? field::ones(13) : f.valid_bits();
      if (v.mask != full) text += "/0x" + hex(static_cast<std::uint64_t>(v.mask));
      return text;
    }
    return field::format_value(f, v.value, v.mask);
  }

  field::FieldValue random_value(const field::FieldSpec& f) {
    if (f.format == field::Format::Port) return rng_.chance(10) ? 0xfffe : 1 + rng_.below(0xfeff);
    if (f.id == FieldId::CtState) return rng_.below(256);
    if (f.id == FieldId::ArpOp) return rng_.below(256);
    if (rng_.chance(15)) return 0;
    if (rng_.chance(15)) return f.valid_bits();
    if (rng_.chance(40)) return rng_.below(256) & f.valid_bits();
    return (field::FieldValue{rng_.next()} << 64 | rng_.next()) & f.valid_bits();
  }

  field::FieldValue random_mask(unsigned bits) {
    if (rng_.chance(50))
      return field::ones(bits) & ~field::ones(static_cast<unsigned>(rng_.below(bits)));  // a prefix
    if (rng_.chance(30)) return field::FieldValue{1} << rng_.below(bits);
    return (field::FieldValue{rng_.next()} << 64 | rng_.next()) & field::ones(bits);
  }

  field::ValueMask frag() {
    static constexpr field::ValueMask kKinds[] = {{0, 3}, {1, 1}, {1, 3}, {3, 3}, {0, 2}};
    return kKinds[rng_.below(std::size(kKinds))];
  }

  static std::string hex(std::uint64_t v) {
    std::string text;
    do text.insert(text.begin(), "0123456789abcdef"[v & 15]);
    while ((v >>= 4) != 0);
    return text;
  }

  std::string join() const {
    std::string all;
    for (const std::string& w : words_) all += (all.empty() ? "" : ",") + w;
    return all;
  }

  Rng rng_;
  Options options_{};
  std::vector<std::string> words_;
  flow::Match match_;
};

}  // namespace sluice::testing
