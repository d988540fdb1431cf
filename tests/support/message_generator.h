// Random OpenFlow messages of every type that a version has, with what ovs-ofctl and Sluice both accept.
// Seeded, so that a failure repeats.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "flow/compose.h"
#include "openflow/all_messages.h"
#include "tests/differential/action_generator.h"
#include "tests/differential/match_generator.h"

namespace sluice::testing {

class MessageGenerator {
 public:
  explicit MessageGenerator(std::uint64_t seed) : rng_(seed), actions_(seed + 1) {}

  /// A message of a type and dialect that the version has.
  openflow::Message message(openflow::OfVersion version) {
    version_ = version;
    for (;;) {
      openflow::Dialect dialect{.version = version, .nxm = rng_.chance(50)};
      static constexpr openflow::Style kStyles[] = {openflow::Style::Standard, openflow::Style::Nicira,
                                                    openflow::Style::Nicira2};
      dialect.packet_in = kStyles[rng_.below(3)];
      nxm_ = dialect.nxm || dialect.packet_in != openflow::Style::Standard;
      openflow::Body body = make(rng_.below(kTypes));
      if (!openflow::can_express(body, dialect)) continue;
      auto xid = static_cast<std::uint32_t>(rng_.next());
      if (const auto* add = std::get_if<openflow::BundleAdd>(&body.variant()))
        xid = openflow::decode_header(add->message)->xid;
      return openflow::make_message(std::move(body), dialect, xid);
    }
  }

  Rng& rng() { return rng_; }

 private:
  static constexpr std::size_t kTypes = std::variant_size_v<openflow::AllMessages::Variant>;

  template <std::size_t I = 0>
  openflow::Body make(std::size_t type) {
    if constexpr (I == kTypes) {
      return openflow::Hello{};
    } else {
      if (type != I) return make<I + 1>(type);
      std::variant_alternative_t<I, openflow::AllMessages::Variant> body;
      fill(body);
      return body;
    }
  }

  std::uint64_t u64() {
    switch (rng_.below(6)) {
      case 0:
        return 0;
      case 1:
        return ~std::uint64_t{0};
      case 2:
        return rng_.below(100);
      default:
        return rng_.next() >> rng_.below(60);
    }
  }
  std::uint32_t u32() { return static_cast<std::uint32_t>(u64()); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(u64()); }
  std::uint8_t u8() { return static_cast<std::uint8_t>(u64()); }
  bool chance(unsigned percent) { return rng_.chance(percent); }
  template <typename T>
  T one_of(unsigned count) {
    return static_cast<T>(rng_.below(count));
  }
  std::uint32_t nanoseconds() {
    return static_cast<std::uint32_t>(chance(50) ? rng_.below(1000) * 1'000'000 : rng_.below(1'000'000'000));
  }
  std::int64_t duration() {
    return static_cast<std::int64_t>(rng_.below(100'000)) * 1'000'000'000 + nanoseconds();
  }
  std::uint32_t port() {
    return chance(10) ? action::of_port::kLocal : static_cast<std::uint32_t>(1 + rng_.below(0xfe00));
  }
  std::uint32_t port_or_any() { return chance(30) ? action::of_port::kNone : port(); }
  std::uint8_t table() { return static_cast<std::uint8_t>(rng_.below(254)); }
  std::string name(std::size_t most) {
    std::string text;
    for (auto n = 1 + rng_.below(most - 1); n > 0; --n) text += static_cast<char>('a' + rng_.below(26));
    return text;
  }
  std::vector<std::uint8_t> bytes(std::size_t most) {
    std::vector<std::uint8_t> result(rng_.below(most + 1));
    for (auto& byte : result) byte = static_cast<std::uint8_t>(rng_.next());
    return result;
  }
  template <typename T, typename F>
  void some(std::vector<T>& list, unsigned most, F fill_one) {
    for (auto n = rng_.below(most + 1); n > 0; --n) fill_one(list.emplace_back());
  }

  /// A match that the version can say in full; registers and the like only where there is NXM or OXM.
  flow::Match match() {
    MatchGenerator::Options options{.vlan_tci = false};
    const bool fixed = version_ <= openflow::k11;
    if (!fixed || nxm_) {
      MatchGenerator generator(rng_.next(), options);
      return generator.match();
    }
    return simple_match();
  }
  flow::Match simple_match() {
    static constexpr std::string_view kWords[] = {
        "",
        "in_port=3",
        "tcp,tp_dst=80",
        "udp,nw_src=10.0.0.0/8,tp_src=53",
        "icmp,icmp_type=8,icmp_code=0",
        "arp,arp_spa=1.2.3.4,arp_op=1",
        "dl_vlan=5",
        "dl_vlan=5,dl_vlan_pcp=3",
        "vlan_tci=0",
        "dl_vlan_pcp=2",
        "dl_src=00:11:22:33:44:55,dl_type=0x1234",
        "ip,nw_proto=47,nw_tos=32",
        "ip,nw_dst=192.168.0.0/16,in_port=LOCAL",
    };
    return *field::parse_match(kWords[rng_.below(std::size(kWords))]);
  }

  action::FlowSpec flow(bool delete_allowed) {
    const bool old = version_ <= openflow::k11;
    const auto text = actions_.flow(3, old);
    action::FlowParseOptions options{.version = openflow::k10};
    auto parsed = action::parse_flow(text.line(), options);
    if (!parsed || !action::check(parsed->actions, parsed->match, {.version = version_})) {
      parsed = action::parse_flow("actions=" + std::to_string(1 + rng_.below(100)), options);
    }
    action::FlowSpec flow = std::move(*parsed);
    if (version_ <= openflow::k11 && !nxm_ && !representable(flow.match)) {
      flow.match = {};
      flow.actions = {};
    }
    flow.priority = chance(30) ? 0x8000 : u16();
    flow.table = chance(80) ? table() : std::uint8_t{0};
    flow.new_cookie = u64();
    flow.idle_timeout = u16();
    flow.hard_timeout = u16();
    if (version_ >= openflow::k14) flow.importance = u16();
    flow.flags.send_flow_rem = chance(30);
    flow.flags.check_overlap = chance(20);
    if (version_ >= openflow::k12) flow.flags.reset_counts = chance(20);
    if (version_ >= openflow::k13) {
      flow.flags.no_packet_counts = chance(20);
      flow.flags.no_byte_counts = chance(20);
    }
    if (!delete_allowed) return flow;
    flow.command = one_of<action::FlowCommand>(5);
    if (chance(20)) flow.buffer_id = u32();
    flow.out_port = chance(20) ? port() : action::of_port::kNone;
    const bool matches_cookie = version_ >= openflow::k11 || nxm_;
    if (flow.command != action::FlowCommand::Add && matches_cookie && chance(50)) {
      flow.cookie_mask = u64();
      flow.cookie = u64() & flow.cookie_mask;
    }
    if (flow.command >= action::FlowCommand::Delete) flow.actions = {};
    return flow;
  }
  static bool representable(const flow::Match& m) {
    return m.mask.bits.ct_state.raw() == 0 && field::fixed_eth_type(m) != net::ethertype::kIpv6 &&
           field::fixed_eth_type(m) != net::ethertype::kMpls && field::fixed_eth_type(m) != 0x8848 &&
           !(m.mask.bits.nw_proto == 0xff && m.value.nw_proto == net::ip_proto::kSctp);
  }

  std::vector<std::uint8_t> packet() {
    flow::FlowKey key;
    key.eth_src = flow::Mac::from_value(rng_.next() & 0xfeffffffffff);
    key.eth_dst = flow::Mac::from_value(rng_.next() & 0xffffffffffff);
    if (chance(20))
      key.vlan[0] = {be16{0x8100}, be16{static_cast<std::uint16_t>(0x1000 | rng_.below(0x10000))}};
    const bool ipv6 = chance(30);
    if (chance(15)) {
      key.eth_type = be16{net::ethertype::kArp};
      key.nw_proto = static_cast<std::uint8_t>(1 + rng_.below(2));
      key.nw_src = be32{static_cast<std::uint32_t>(rng_.next())};
      key.nw_dst = be32{static_cast<std::uint32_t>(rng_.next())};
      key.arp_sha = flow::Mac::from_value(rng_.next() & 0xffffffffffff);
      return flow::compose(key);
    }
    key.eth_type = be16{ipv6 ? net::ethertype::kIpv6 : net::ethertype::kIpv4};
    if (ipv6) {
      key.ipv6_src = {be64{rng_.next()}, be64{rng_.next()}};
      key.ipv6_dst = {be64{rng_.next()}, be64{rng_.next()}};
    } else {
      key.nw_src = be32{static_cast<std::uint32_t>(rng_.next())};
      key.nw_dst = be32{static_cast<std::uint32_t>(rng_.next())};
    }
    key.nw_ttl = u8();
    key.nw_tos = u8();
    static constexpr std::uint8_t kProtocols[] = {net::ip_proto::kTcp, net::ip_proto::kUdp,
                                                  net::ip_proto::kSctp};
    key.nw_proto = kProtocols[rng_.below(3)];
    if (chance(20)) key.nw_proto = ipv6 ? net::ip_proto::kIcmpv6 : net::ip_proto::kIcmp;
    const bool icmp = key.nw_proto == net::ip_proto::kIcmp || key.nw_proto == net::ip_proto::kIcmpv6;
    key.tp_src = be16{icmp ? std::uint16_t{ipv6 ? std::uint8_t{128} : std::uint8_t{8}} : u16()};
    key.tp_dst = be16{icmp ? std::uint16_t{0} : u16()};
    if (key.nw_proto == net::ip_proto::kTcp)
      key.tcp_flags = be16{static_cast<std::uint16_t>(rng_.below(0x200))};
    const std::vector<std::uint8_t> payload = bytes(30);
    return flow::compose(key, payload);
  }

  void metadata(flow::Match& match_out) {
    field::set_match(match_out, field::FieldId::InPortOxm, port(), 0xffffffff);
    if (version_ < openflow::k12 && !nxm_) return;
    if (chance(40)) field::set_match(match_out, field::FieldId::Reg3, u32() | 1, 0xffffffff);
    if (chance(40))
      field::set_match(match_out, field::FieldId::Metadata, u64() | 1, ~field::FieldValue{0} >> 64);
    if (chance(20))
      field::set_match(match_out, field::FieldId::TunId, u64() | 1, ~field::FieldValue{0} >> 64);
  }

  // --- One for each type

  void fill(openflow::Hello& m) {
    m.versions = 1u << static_cast<unsigned>(version_) | (static_cast<std::uint32_t>(rng_.next()) & 0x7e);
    m.versions &= (2u << static_cast<unsigned>(version_)) - 2;
  }
  void fill(openflow::ErrorMessage& m) {
    do m.error = static_cast<field::OfError>(rng_.below(field::kOfErrorCount));
    while (!field::of_error_code(*m.error, version_) ||
           field::find_of_error(*field::of_error_code(*m.error, version_), version_) != m.error);
    if (const auto code = field::of_error_code(*m.error, version_); code->vendor == 0 && code->type == 0) {
      const std::string text = name(20);
      m.data.assign(text.begin(), text.end());
      return;
    }
    m.data = openflow::encode(openflow::make_message(openflow::EchoRequest{}, {.version = version_},
                                                     static_cast<std::uint32_t>(rng_.next())));
  }
  void fill(openflow::Echo& m) { m.data = bytes(40); }
  template <typename T>
  void fill(openflow::Bodiless<T>&) {}

  void fill(openflow::PortDescription& p) {
    p.number = port();
    p.address = net::Mac::from_value(rng_.next() & 0xffffffffffff);
    p.name = name(15);
    p.config =
        u32() & (version_ == openflow::k10 ? openflow::port_config::kOf10 : openflow::port_config::kOf11);
    p.state = u32() & (version_ == openflow::k10 ? 0x301 : 7);
    const std::uint32_t known = version_ == openflow::k10 ? 0xf87f : 0xffff;
    p.current = u32() & known;
    p.advertised = u32() & known;
    p.supported = u32() & known;
    p.peer = u32() & known;
    p.current_kbps = u32();
    p.max_kbps = u32();
  }
  void fill(openflow::FeaturesReply& m) {
    m.datapath_id = u64();
    m.buffers = u32();
    m.tables = u8();
    m.auxiliary_id = u8();
    m.capabilities = u32();
    m.actions = u32() & 0xfff;
    some(m.ports, 3, [&](auto& p) { fill(p); });
  }
  void fill(openflow::SwitchConfig& m) {
    m.fragments = one_of<openflow::FragmentHandling>(4);
    m.invalid_ttl_to_controller = chance(50);
    m.miss_send_len = u16();
  }
  void fill(openflow::PacketIn& m) {
    m.reason = one_of<openflow::PacketInReason>(version_ >= openflow::k14 ? 6 : 3);
    m.table = table();
    if (chance(50)) m.cookie = u64() & 0xffffffffff;
    m.packet = packet();
    m.total_length = static_cast<std::uint32_t>(m.packet.size() + (chance(30) ? rng_.below(1000) : 0));
    if (chance(30)) m.buffer = u32() & 0xfffffff;
    metadata(m.metadata);
    m.userdata = chance(50) ? bytes(20) : std::vector<std::uint8_t>{};
    if (chance(30)) continuation(m.continuation.emplace());
  }
  void continuation(openflow::Continuation& c) {
    for (auto& byte : c.bridge) byte = static_cast<std::uint8_t>(rng_.next());
    some(c.stack, 3, [&](auto& value) {
      value = bytes(7);
      value.push_back(1);
    });
    c.mirrors = u32();
    c.conntracked = chance(30);
    c.actions = *action::as_seen_by(*action::parse_actions("output:2"), openflow::k10);
    c.cookie = u64() & 0xffffff;
    c.table = table();
    if (chance(50)) c.action_set = *action::parse_actions("output:3");
    c.datapath_port = u32();
  }
  void fill(openflow::Resume& m) {
    do {
      nxm_ = true;
      m.packet = {};
      fill(m.packet);
    } while (!m.packet.continuation);
  }
  void fill(openflow::FlowRemoved& m) {
    m.match = match();
    m.priority = u16();
    m.cookie = u64();
    m.reason = one_of<openflow::FlowRemovedReason>(version_ >= openflow::k14 ? 6 : 5);
    m.table = version_ == openflow::k10 && !nxm_ ? action::kNoTable : table();
    m.duration_s = u32();
    m.duration_ns = nanoseconds();
    m.idle_timeout = u16();
    m.hard_timeout = u16();
    m.packets = u64() >> 1;
    m.bytes = u64() >> 1;
  }
  void fill(openflow::PortStatus& m) {
    m.reason = one_of<openflow::PortReason>(3);
    fill(m.port);
  }
  void fill(openflow::PacketOut& m) {
    if (chance(20))
      m.buffer = u32() & 0xfffffff;
    else
      m.packet = packet();
    nxm_ = version_ >= openflow::k15;
    metadata(m.metadata);
    if (chance(20))
      field::set_match(m.metadata, field::FieldId::InPortOxm, action::of_port::kController, 0xffffffff);
    m.actions = *action::parse_actions("output:" + std::to_string(1 + rng_.below(1000)) + ",dec_ttl");
  }
  void fill(openflow::FlowMod& m) { m.flow = flow(true); }
  void fill(action::Bucket& b) {
    b.weight = static_cast<std::uint16_t>(1 + rng_.below(100));
    b.actions = *action::parse_actions("output:" + std::to_string(1 + rng_.below(1000)));
    if (chance(30)) b.watch_port = static_cast<std::uint32_t>(1 + rng_.below(1000));
    if (chance(30)) b.watch_group = static_cast<std::uint32_t>(rng_.below(1000));
  }
  void group(action::GroupSpec& g) {
    g.id = static_cast<std::uint32_t>(rng_.below(1000));
    g.type = one_of<action::GroupType>(4);
    some(g.buckets, 3, [&](action::Bucket& b) {
      fill(b);
      if (g.type != action::GroupType::Select) b.weight = 0;
      if (g.type == action::GroupType::All || g.type == action::GroupType::Indirect) {
        b.watch_port = action::of_port::kNone;
        b.watch_group = action::group_id::kAny;
      }
      if (g.type == action::GroupType::FastFailover) b.watch_group = 5;
    });
    if (g.type == action::GroupType::Indirect) {
      g.buckets.resize(1);
      g.buckets[0].weight = 0;
      g.buckets[0].watch_port = action::of_port::kNone;
      g.buckets[0].watch_group = action::group_id::kAny;
    }
    for (std::size_t i = 0; i < g.buckets.size(); ++i) g.buckets[i].id = static_cast<std::uint32_t>(i);
    const bool new_form = version_ >= openflow::k15 || version_ == openflow::k10;
    if (new_form && g.type == action::GroupType::Select && chance(50)) {
      g.selection = chance(50) ? action::SelectionMethod::Hash : action::SelectionMethod::DpHash;
      g.selection_param = u64();
      if (g.selection == action::SelectionMethod::Hash && chance(50))
        g.fields = {{field::FieldId::EthSrc, field::ones(48)}, {field::FieldId::Ipv4Src, 0xffffff00}};
    }
  }
  void fill(openflow::GroupMod& m) {
    group(m.group);
    const bool new_form = version_ >= openflow::k15 || version_ == openflow::k10;
    static constexpr action::GroupCommand kCommands[] = {
        action::GroupCommand::Add,    action::GroupCommand::Modify,       action::GroupCommand::AddOrModify,
        action::GroupCommand::Delete, action::GroupCommand::InsertBucket, action::GroupCommand::RemoveBucket};
    m.group.command = kCommands[rng_.below(new_form ? 6 : 4)];
    if (m.group.command >= action::GroupCommand::InsertBucket &&
        m.group.command != action::GroupCommand::AddOrModify)
      m.group.command_bucket =
          chance(50) ? action::bucket_id::kLast : static_cast<std::uint32_t>(rng_.below(9));
    if (m.group.command == action::GroupCommand::Delete ||
        m.group.command == action::GroupCommand::RemoveBucket ||
        m.group.command == action::GroupCommand::InsertBucket) {
      m.group.selection = {};
      m.group.selection_param = 0;
      m.group.fields.clear();
    }
    if (m.group.command == action::GroupCommand::Delete ||
        m.group.command == action::GroupCommand::RemoveBucket) {
      m.group.buckets.clear();
      m.group.type = action::GroupType::All;
    }
  }
  void fill(openflow::GroupStatsRequest& m) { m.group = chance(50) ? action::group_id::kAll : u16(); }
  void fill(openflow::GroupStatsReply& m) {
    some(m.entries, 3, [&](action::GroupCounters& g) {
      g.id = u16();
      g.references = u32();
      g.duration_ns = version_ >= openflow::k13 || version_ == openflow::k10 ? duration() : -1;
      g.total = {u64(), u64()};
      some(g.buckets, 3, [&](auto& b) { b = {u64(), u64()}; });
    });
  }
  void fill(openflow::GroupDescRequest& m) {
    if (version_ >= openflow::k15) m.group = chance(50) ? action::group_id::kAll : u16();
  }
  void fill(openflow::GroupDescReply& m) {
    some(m.entries, 3, [&](auto& g) { group(g); });
  }
  void fill(openflow::GroupFeaturesReply& m) {
    m.types = u32() & 15;
    m.capabilities = u32() & 15;
    for (auto& most : m.max_groups) most = u32();
    for (auto& bits : m.actions) bits = u32();
  }
  void fill(openflow::PortMod& m) {
    m.number = port();
    m.address = net::Mac::from_value(rng_.next() & 0xffffffffffff);
    m.config = u32() & openflow::port_config::kOf11;
    m.mask = u32() & openflow::port_config::kOf11;
    m.advertise = u32() & 0xf87f;
  }
  void fill(openflow::TableMod& m) {
    m.table = chance(20) ? action::kNoTable : table();
    m.miss = version_ <= openflow::k12 ? static_cast<openflow::TableMiss>(1 + rng_.below(3))
                                       : openflow::TableMiss{};
    m.eviction = chance(50);
    if (chance(50))
      m.vacancy = openflow::Vacancy{.down = static_cast<std::uint8_t>(rng_.below(50)),
                                    .up = static_cast<std::uint8_t>(50 + rng_.below(51))};
  }
  void fill(openflow::TableDescription& d) {
    d.table = table();
    d.eviction = chance(50);
    if (chance(50)) d.eviction_flags = 1 + u32() % 7;
    if (chance(50)) d.vacancy = openflow::Vacancy{.down = u8(), .up = u8(), .current = u8()};
  }
  void fill(openflow::TableDescReply& m) {
    fill(m.entries.emplace_back());
    some(m.entries, 2, [&](auto& d) { fill(d); });
  }
  void fill(openflow::TableStatus& m) {
    m.reason = chance(50) ? openflow::TableReason::VacancyDown : openflow::TableReason::VacancyUp;
    fill(m.description);
  }
  void fill(openflow::QueueConfigRequest& m) {
    m.port = 1 + static_cast<std::uint32_t>(rng_.below(1000));
    if (version_ >= openflow::k14 && chance(50)) m.queue = u16();
  }
  void fill(openflow::QueueConfigReply& m) {
    m.port = version_ < openflow::k14 ? port() : action::of_port::kNone;
    const std::uint32_t number = version_ < openflow::k14 ? m.port : port();
    std::uint32_t queue = 0;
    some(m.entries, 3, [&](openflow::QueueConfig& q) {
      q.port = number;
      q.queue = queue++;
      if (chance(50)) q.min_rate = static_cast<std::uint16_t>(rng_.below(1100));
      if (chance(50)) q.max_rate = static_cast<std::uint16_t>(rng_.below(1100));
    });
    if (m.entries.empty() && version_ >= openflow::k14) m.entries.push_back({.port = number, .queue = 1});
  }
  void fill(openflow::RoleRequest& m) {
    m.role = static_cast<openflow::Role>(rng_.below(4));
    if (version_ < openflow::k12) m.role = static_cast<openflow::Role>(1 + rng_.below(3));
    if (version_ >= openflow::k12 && m.role != openflow::Role::NoChange) m.generation = u64();
  }
  void fill(openflow::RoleReply& m) {
    m.role = static_cast<openflow::Role>(1 + rng_.below(3));
    if (version_ >= openflow::k12 && chance(50)) m.generation = u64() >> 1;
  }
  void fill(openflow::RoleStatus& m) {
    m.role = static_cast<openflow::Role>(1 + rng_.below(3));
    m.reason = one_of<openflow::RoleStatusReason>(3);
    m.generation = u64();
  }
  void async(openflow::AsyncConfig& m) {
    static constexpr std::uint32_t kKnown[] = {7, 7, 7, 7, 0x18, 3};
    for (std::size_t kind = 0; kind < (version_ >= openflow::k14 ? 6 : 3); ++kind) {
      m.primary[kind] = u32() & kKnown[kind];
      m.secondary[kind] = u32() & kKnown[kind];
    }
  }
  void fill(openflow::SetAsync& m) { async(m); }
  void fill(openflow::GetAsyncReply& m) { async(m); }
  void meter(action::MeterSpec& m) {
    m.id = static_cast<std::uint32_t>(1 + rng_.below(1000));
    m.kbps = chance(50);
    m.pktps = !m.kbps && chance(50);
    m.burst = chance(50);
    m.stats = chance(50);
    some(m.bands, 3, [&](action::MeterBand& b) {
      b.type = chance(50) ? action::MeterBand::Type::Drop : action::MeterBand::Type::DscpRemark;
      b.rate = u32();
      b.burst_size = u32();
      b.prec_level = b.type == action::MeterBand::Type::Drop ? std::uint8_t{0} : u8();
    });
  }
  void fill(openflow::MeterMod& m) {
    m.meter.command = one_of<action::MeterCommand>(3);
    if (m.meter.command != action::MeterCommand::Delete)
      meter(m.meter);
    else
      m.meter.id = chance(50) ? action::meter_id::kAll : 7;
  }
  void fill(openflow::MeterRequest& m) {
    m.meter = chance(50) ? action::meter_id::kAll : std::uint32_t{u16()} + 1;
  }
  void fill(openflow::MeterStatsReply& m) {
    some(m.entries, 3, [&](action::MeterCounters& c) {
      c.id = std::uint32_t{u16()} + 1;
      c.flows = u32();
      c.packets_in = u64();
      c.bytes_in = u64();
      c.duration_ns = duration();
      some(c.bands, 3, [&](auto& b) { b = {u64(), u64()}; });
    });
  }
  void fill(openflow::MeterConfigReply& m) {
    some(m.entries, 3, [&](auto& s) { meter(s); });
  }
  void fill(openflow::MeterFeaturesReply& m) {
    m.max_meters = u32();
    m.band_types = u32();
    m.capabilities = u32();
    m.max_bands = u8();
    m.max_color = u8();
  }
  std::vector<std::uint8_t> inner(openflow::Body body) {
    return openflow::encode(openflow::make_message(std::move(body), {.version = version_},
                                                   static_cast<std::uint32_t>(rng_.next())));
  }
  void fill(openflow::RequestForward& m) {
    openflow::GroupMod group_mod;
    group_mod.group.id = u16();
    openflow::MeterMod meter_mod;
    meter(meter_mod.meter);
    if (version_ < openflow::k13) return;
    m.request = chance(50) ? inner(group_mod) : inner(meter_mod);
  }
  void fill(openflow::BundleControl& m) {
    m.id = u32();
    m.type = one_of<openflow::BundleControlType>(8);
    m.flags = {chance(50), chance(50)};
  }
  void fill(openflow::BundleAdd& m) {
    m.id = u32();
    m.flags = {chance(50), chance(50)};
    if (version_ < openflow::k13) return;
    nxm_ = false;
    openflow::FlowMod flow_mod;
    fill(flow_mod);
    openflow::PortMod port_mod;
    fill(port_mod);
    m.message = chance(70) ? inner(flow_mod) : inner(port_mod);
  }
  void fill(openflow::SetFlowFormat& m) { m.format_code = chance(50) ? 0 : 2; }
  void fill(openflow::SetFlowModTableId& m) { m.enable = chance(50); }
  void fill(openflow::SetPacketInFormat& m) { m.style = static_cast<openflow::Style>(1 + rng_.below(3)); }
  void fill(openflow::SetControllerId& m) { m.id = u16(); }
  void fill(openflow::FlowMonitorCancel& m) { m.id = u16(); }
  void mapping(openflow::TlvMapping& t) {
    t = {u16(), u8(), static_cast<std::uint8_t>(4 * (1 + rng_.below(31))),
         static_cast<std::uint16_t>(rng_.below(64))};
  }
  void fill(openflow::TlvTableMod& m) {
    m.command = one_of<openflow::TlvTableCommand>(3);
    if (m.command != openflow::TlvTableCommand::Clear) some(m.mappings, 3, [&](auto& t) { mapping(t); });
  }
  void fill(openflow::TlvTableReply& m) {
    m.max_option_space = u32();
    m.max_fields = static_cast<std::uint16_t>(64 + rng_.below(100));
    some(m.mappings, 3, [&](auto& t) { mapping(t); });
  }
  void fill(openflow::CtFlushZone& m) { m.zone = u16(); }
  void tuple(openflow::CtFlushTuple& t, std::uint8_t protocol) {
    const bool icmp = protocol == 1 || protocol == 58;
    const bool v4 = protocol != 58;
    const auto address = [&] {
      return v4 ? net::v4_mapped(be32{static_cast<std::uint32_t>(rng_.next())})
                : be128{be64{rng_.next()}, be64{rng_.next()}};
    };
    if (chance(70)) t.src = address();
    if (chance(70)) t.dst = address();
    if (icmp) {
      t.icmp_id = u16();
      t.icmp_type = u8();
      t.icmp_code = u8();
    } else {
      t.src_port = u16();
      t.dst_port = u16();
    }
  }
  void fill(openflow::CtFlush& m) {
    static constexpr std::uint8_t kProtocols[] = {6, 17, 1, 58, 132};
    m.protocol = kProtocols[rng_.below(5)];
    if (chance(50)) m.zone = u16();
    tuple(m.original, m.protocol);
    if (chance(50)) tuple(m.reply, m.protocol);
  }
  void fill(openflow::DescReply& m) {
    m.manufacturer = name(30);
    m.hardware = name(30);
    m.software = name(30);
    m.serial = name(30);
    m.datapath = name(30);
  }
  void fill(openflow::FlowFilter& m) {
    m.match = match();
    m.table = chance(50) ? action::kNoTable : table();
    m.out_port = port_or_any();
    if (version_ >= openflow::k11 || nxm_) {
      m.cookie_mask = u64();
      m.cookie = u64() & m.cookie_mask;
    }
  }
  void fill(openflow::FlowStatsReply& m) {
    some(m.entries, 3, [&](auto& entry) {
      entry.flow = flow(false);
      if (version_ <= openflow::k12) entry.flow.flags = {};
      entry.counters.packets = u64() >> 1;
      entry.counters.bytes = u64() >> 1;
      entry.counters.duration_ns = duration();
      if ((version_ == openflow::k10 && nxm_) || version_ >= openflow::k15)
        entry.counters.idle_age_s = u16() % 1000;
      if (version_ == openflow::k10 && nxm_) entry.counters.hard_age_s = u16() % 1000;
    });
  }
  void fill(openflow::AggregateReply& m) {
    m.packets = u64();
    m.bytes = u64();
    m.flows = u32();
  }
  openflow::FieldSet fields(bool only_oxm12) {
    openflow::FieldSet set;
    for (const field::FieldSpec& spec : field::all_fields()) {
      if (!chance(30)) continue;
      // Prefixes within prefixes ovs-ofctl shortens to names that are no fields.
      const std::string_view field_name = spec.name;
      if (field_name.starts_with("tun_ipv6") || field_name.starts_with("tun_gbp") ||
          (field_name.starts_with("ct_") && std::count(field_name.begin(), field_name.end(), '_') > 1))
        continue;
      const field::OxmId& id = field::oxm_id(spec, version_);
      if (!id.exists() || (only_oxm12 && id.oxm_class != 0x8000)) continue;
      const auto header =
          std::uint32_t{id.oxm_class} << 16 | std::uint32_t{id.oxm_field} << 9 | spec.wire_bytes;
      const field::FieldSpec* back = field::field_of_header(header, id.experimenter);
      if (back == &spec) set.set(static_cast<std::size_t>(spec.id));
    }
    return set;
  }
  void abilities(openflow::TableAbilities& a, bool next) {
    a.instructions = u32() & (version_ >= openflow::k13 ? 0x7e : 0x3e);
    if (next)
      for (unsigned i = 0; i < 254; ++i) a.next.set(i, chance(80));
    a.write.actions = (u32() & 0x3ff9801) | 1;
    a.apply.actions = chance(50) ? a.write.actions : (u32() & 0x3ff9801) | 1;
    if (version_ == openflow::k11) return;
    a.write.set_fields = fields(version_ == openflow::k12);
    a.apply.set_fields = fields(version_ == openflow::k12);
  }
  void features(openflow::TableFeatures& f) {
    f.name = chance(50) ? name(30) : "";
    f.max_entries = u32();
    if (version_ >= openflow::k12) {
      f.metadata_match = u64();
      f.metadata_write = u64();
    }
    if (version_ == openflow::k11 || version_ == openflow::k12)
      f.miss_config = static_cast<openflow::TableMiss>(1 + rng_.below(3));
    if (version_ >= openflow::k14) {
      f.eviction = chance(50);
      f.vacancy_events = chance(50);
    }
    if (version_ == openflow::k10) {
      for (const auto id : {field::FieldId::InPort, field::FieldId::EthSrc, field::FieldId::IpProto,
                            field::FieldId::Ipv4Src, field::FieldId::VlanPcp, field::FieldId::IpDscp})
        f.match.set(static_cast<std::size_t>(id), chance(60));
      f.wildcard = f.match;
      return;
    }
    abilities(f.hit, version_ >= openflow::k13);
    f.miss = f.hit;
    if (version_ == openflow::k11) {
      for (const auto id : {field::FieldId::InPort, field::FieldId::EthType, field::FieldId::IpProto,
                            field::FieldId::MplsTc, field::FieldId::VlanPcp, field::FieldId::IpDscp}) {
        f.match.set(static_cast<std::size_t>(id), chance(60));
        f.wildcard.set(static_cast<std::size_t>(id), chance(60));
      }
    } else {
      f.match = fields(version_ == openflow::k12);
      f.wildcard = fields(version_ == openflow::k12);
      if (version_ >= openflow::k13) {
        for (const field::FieldSpec& spec : field::all_fields())
          if (spec.mask == field::MaskPolicy::Bitwise)
            f.mask.set(static_cast<std::size_t>(spec.id), chance(50));
        f.mask &= f.match;
      }
    }
    f.wildcard &= f.match;
  }
  void fill(openflow::TableStatsReply& m) {
    std::uint8_t number = 0;
    some(m.entries, 4, [&](openflow::TableStatsReply::Entry& e) {
      if (m.entries.size() > 1 && chance(50)) {
        e = m.entries[m.entries.size() - 2];
        if (chance(50)) e.counters.active = u32();
      } else {
        if (version_ < openflow::k13) features(e.features);
        e.counters = {.active = u32(), .lookups = u64(), .matched = u64()};
      }
      e.counters.table = e.features.table = number++;
    });
  }
  void fill(openflow::TableFeaturesRequest&) {}
  void fill(openflow::TableFeaturesReply& m) {
    features(m.entries.emplace_back());
    for (auto more = rng_.below(3); more > 0; --more) {
      openflow::TableFeatures next = m.entries.back();
      ++next.table;
      next.hit.next.reset(next.table);
      next.miss.next.reset(next.table);
      if (chance(30)) next.max_entries = u32();
      m.entries.push_back(std::move(next));
    }
  }
  void fill(openflow::PortStatsRequest& m) { m.port = port_or_any(); }
  void fill(openflow::PortStatsReply& m) {
    some(m.entries, 3, [&](openflow::PortCounters& p) {
      p = {.port = port(),
           .rx_packets = u64(),
           .tx_packets = u64(),
           .rx_bytes = u64(),
           .tx_bytes = u64(),
           .rx_dropped = u64(),
           .tx_dropped = u64(),
           .rx_errors = u64(),
           .tx_errors = u64(),
           .rx_frame_errors = u64(),
           .rx_over_errors = u64(),
           .rx_crc_errors = u64(),
           .collisions = u64()};
      if (version_ >= openflow::k13) {
        p.duration_s = static_cast<std::uint32_t>(rng_.below(100000));
        p.duration_ns = nanoseconds();
      }
    });
  }
  void fill(openflow::PortDescRequest& m) {
    if (version_ >= openflow::k15) m.port = port_or_any();
  }
  void fill(openflow::PortDescReply& m) {
    some(m.entries, 3, [&](auto& p) { fill(p); });
  }
  void fill(openflow::QueueStatsRequest& m) {
    m.port = port_or_any();
    if (chance(50)) m.queue = u16();
  }
  void fill(openflow::QueueStatsReply& m) {
    some(m.entries, 3, [&](openflow::QueueCounters& q) {
      q = {.port = port(), .queue = u16(), .tx_bytes = u64(), .tx_packets = u64(), .tx_errors = u64()};
      if (version_ >= openflow::k13) {
        q.duration_s = static_cast<std::uint32_t>(rng_.below(100000));
        q.duration_ns = nanoseconds();
      }
    });
  }
  void fill(openflow::FlowMonitorRequest& m) {
    const bool nicira = version_ <= openflow::k13;
    some(m.entries, 2, [&](openflow::MonitorRequest& r) {
      r.id = u16();
      if (!nicira) r.command = one_of<openflow::MonitorCommand>(3);
      r.flags = {.initial = chance(50),
                 .add = true,
                 .removed = chance(50),
                 .modify = chance(50),
                 .actions = chance(50)};
      if (nicira) r.flags.own = chance(50);
      if (r.command == openflow::MonitorCommand::Delete) r.flags = {};
      r.out_port = port_or_any();
      r.table = chance(50) ? action::kNoTable : table();
      nxm_ = true;
      r.match = match();
    });
    if (m.entries.empty()) m.entries.push_back({.id = 1, .flags = {.add = true}});
  }
  void fill(openflow::FlowUpdates& m) {
    const bool nicira = version_ <= openflow::k13;
    some(m.entries, 3, [&](openflow::FlowUpdate& u) {
      static constexpr openflow::UpdateEvent kEvents[] = {
          openflow::UpdateEvent::Added, openflow::UpdateEvent::Removed, openflow::UpdateEvent::Modified,
          openflow::UpdateEvent::Abbreviated, openflow::UpdateEvent::Initial};
      u.event = kEvents[rng_.below(nicira ? 4 : 5)];
      if (u.event == openflow::UpdateEvent::Abbreviated) {
        u.xid = u32();
        return;
      }
      if (u.event == openflow::UpdateEvent::Removed) u.reason = static_cast<std::uint8_t>(rng_.below(5));
      nxm_ = true;
      u.flow = flow(false);
      u.flow.flags = {};
      u.flow.importance = 0;
    });
  }
  void counters(openflow::IpfixCounters& c) {
    c = {.flows = u64(),
         .current_flows = u64(),
         .sampled_packets = u64(),
         .ipv4_ok = u64(),
         .ipv6_ok = u64(),
         .packet_errors = u64(),
         .ipv4_errors = u64(),
         .ipv6_errors = u64(),
         .tx_packets = u64(),
         .tx_errors = u64(),
         .collector_set = u16()};
  }
  void fill(openflow::IpfixBridgeReply& m) { counters(m.counters); }
  void fill(openflow::IpfixFlowReply& m) {
    some(m.entries, 2, [&](auto& c) { counters(c); });
  }

  Rng rng_;
  ActionGenerator actions_;
  openflow::OfVersion version_ = openflow::k10;
  bool nxm_ = false;
};

}  // namespace sluice::testing
