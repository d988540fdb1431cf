// The expected texts are what Open vSwitch 3.1 prints (ofproto/trace for actions, dpctl/dump-flows for
// matches).
#include <gtest/gtest.h>

#include "dp_action/program.h"
#include "net/protocol.h"

namespace sluice::dp_action {
namespace {

using Header = SetHeader::Header;
using net::Mac;

be128 ipv6(const char* text) {
  return *net::parse_ipv6(text);
}
be128 v4(const char* text) {
  return net::v4_mapped(*net::parse_ipv4(text));
}
be32 ip(const char* text) {
  return *net::parse_ipv4(text);
}

template <typename Fill>
SetHeader set(Header header, Fill fill) {
  SetHeader::Values values;
  fill(values.value, values.mask.bits);
  return {header, values};
}

TEST(ProgramText, Outputs) {
  EXPECT_EQ(format_program({}), "drop");
  EXPECT_EQ(format_program({Output{2}, Output{3}}), "2,3");
  EXPECT_EQ(format_program({Truncate{100}, Output{2}, Output{3}}), "trunc(100),2,3");
  EXPECT_EQ(format_program({Drop{}}), "drop");
  EXPECT_EQ(format_program({Meter{0}, Output{2}}), "meter(0),2");
  EXPECT_EQ(format_program({CtClear{}, Recirc{0x1a}}), "ct_clear,recirc(0x1a)");
  EXPECT_EQ(format_program({Hash{0}, Recirc{1}}), "hash(l4(0)),recirc(0x1)");
}

TEST(ProgramText, Nested) {
  EXPECT_EQ(format_program({CheckPktLen{200, Program{Output{2}}, Program{Output{3}}}}),
            "check_pkt_len(size=200,gt(2),le(3))");
  conntrack::CtRequest commit{.commit = true};
  EXPECT_EQ(format_program({Clone{{Ct{commit}, Recirc{6}}}, Output{3}}), "clone(ct(commit),recirc(0x6)),3");
  EXPECT_EQ(format_program({Sample{0x80000000, Program{Output{1}}}}), "sample(sample=50.0%,actions(1))");
}

TEST(ProgramText, Userspace) {
  EXPECT_EQ(format_program({Userspace{.reason = 1, .dont_send = true, .recirc_id = 1}}),
            "userspace(pid=0,controller(reason=1,dont_send=1,continuation=0,recirc_id=1,rule_cookie=0,"
            "controller_id=0,"
            "max_len=65535))");
  EXPECT_EQ(
      format_program({Userspace{.max_len = 128, .controller_id = 7, .recirc_id = 2, .rule_cookie = 0x1f}}),
      "userspace(pid=0,controller(reason=0,dont_send=0,continuation=0,recirc_id=2,rule_cookie=0x1f,"
      "controller_id=7,max_len=128))");
}

TEST(ProgramText, Tags) {
  EXPECT_EQ(format_program({PushVlan{be16{0x8100}, be16{0x1001}}}), "push_vlan(vid=1,pcp=0)");
  EXPECT_EQ(format_program({PushVlan{be16{0x88a8}, be16{0x7004}}}), "push_vlan(tpid=0x88a8,vid=4,pcp=3)");
  EXPECT_EQ(format_program({PopVlan{}, PushVlan{be16{0x8100}, be16{0x1004}}}),
            "pop_vlan,push_vlan(vid=4,pcp=0)");
  EXPECT_EQ(format_program({PushMpls{be32{5u << 12 | 1u << 8 | 64}, be16{0x8847}}}),
            "push_mpls(label=5,tc=0,ttl=64,bos=1,eth_type=0x8847)");
  EXPECT_EQ(format_program({PopMpls{be16{0x800}}}), "pop_mpls(eth_type=0x800)");
}

TEST(ProgramText, Ct) {
  using Request = conntrack::CtRequest;
  using conntrack::NatRange;
  const auto text = [](const Request& request) { return format_program({Ct{request}}); };
  EXPECT_EQ(text({}), "ct");
  EXPECT_EQ(text({.commit = true,
                  .zone = 5,
                  .mark = 0xa,
                  .mark_mask = 0xf,
                  .label = {be64{0}, be64{1}},
                  .label_mask = {be64{~0ull}, be64{~0ull}}}),
            "ct(commit,zone=5,mark=0xa/0xf,label=0x1)");
  EXPECT_EQ(text({.commit = true,
                  .mark = 0xa,
                  .mark_mask = 0xffffffff,
                  .label = {be64{0}, be64{0x10}},
                  .label_mask = {be64{0}, be64{0xf0}}}),
            "ct(commit,mark=0xa/0xffffffff,label=0x10/0xf0)");
  EXPECT_EQ(text({.nat = true}), "ct(nat)");
  const NatRange persistent{.kind = NatRange::Kind::Destination,
                            .has_address = true,
                            .persistent = true,
                            .min_address = v4("10.0.0.1"),
                            .max_address = v4("10.0.0.1")};
  EXPECT_EQ(text({.commit = true,
                  .force = true,
                  .nat = true,
                  .helper = conntrack::Helper::Ftp,
                  .zone = 5,
                  .nat_range = persistent}),
            "ct(force_commit,zone=5,helper=ftp,nat(dst=10.0.0.1,persistent))");
  const NatRange random{.kind = NatRange::Kind::Source,
                        .has_address = true,
                        .has_ports = true,
                        .random = true,
                        .min_address = v4("10.0.0.1"),
                        .max_address = v4("10.0.0.4"),
                        .min_port = 5000,
                        .max_port = 6000};
  EXPECT_EQ(text({.commit = true, .nat = true, .nat_range = random}),
            "ct(commit,nat(src=10.0.0.1-10.0.0.4:5000-6000,random))");
  const NatRange six{.kind = NatRange::Kind::Source,
                     .has_address = true,
                     .is_ipv6 = true,
                     .has_ports = true,
                     .hash = true,
                     .min_address = ipv6("fe80::1"),
                     .max_address = ipv6("fe80::5"),
                     .min_port = 1,
                     .max_port = 3};
  EXPECT_EQ(text({.commit = true, .nat = true, .nat_range = six}),
            "ct(commit,nat(src=[fe80::1]-[fe80::5]:1-3,hash))");
  EXPECT_EQ(text({.commit = true, .nat = true, .nat_range = {.kind = NatRange::Kind::Source}}),
            "ct(commit,nat(src))");
}

TEST(ProgramText, Set) {
  EXPECT_EQ(format_program({set(Header::Ethernet,
                                [](auto& value, auto& mask) {
                                  value.eth_src = Mac::from_value(9);
                                  mask.eth_src = Mac::from_value(0xffffffffffff);
                                  value.eth_dst = Mac::from_value(1);
                                  mask.eth_dst = Mac::from_value(0xff);
                                })}),
            "set(eth(src=00:00:00:00:00:09,dst=00:00:00:00:00:01/00:00:00:00:00:ff))");
  EXPECT_EQ(format_program({set(Header::Ipv4,
                                [](auto& value, auto& mask) {
                                  value.nw_src = ip("10.0.0.1");
                                  mask.nw_src = be32{0xffffffff};
                                  value.nw_tos = 0x14;
                                  mask.nw_tos = 0xfc;
                                  value.nw_ttl = 63;
                                  mask.nw_ttl = 0xff;
                                })}),
            "set(ipv4(src=10.0.0.1,tos=0x14/0xfc,ttl=63))");
  EXPECT_EQ(format_program({set(Header::Ipv6,
                                [](auto& value, auto& mask) {
                                  value.ipv6_src = ipv6("fe80::1");
                                  mask.ipv6_src = ~be128{};
                                  value.nw_ttl = 63;
                                  mask.nw_ttl = 0xff;
                                })}),
            "set(ipv6(src=fe80::1,hlimit=63))");
  EXPECT_EQ(format_program({set(Header::Tcp,
                                [](auto& value, auto& mask) {
                                  value.tp_dst = be16{80};
                                  mask.tp_dst = be16{0xffff};
                                })}),
            "set(tcp(dst=80))");
  EXPECT_EQ(format_program({set(Header::Icmp,
                                [](auto& value, auto& mask) {
                                  value.tp_src = be16{8};
                                  mask.tp_src = mask.tp_dst = be16{0xffff};
                                })}),
            "set(icmp(type=8,code=0))");
  EXPECT_EQ(format_program({set(Header::Arp,
                                [](auto& value, auto& mask) {
                                  value.nw_src = ip("10.0.0.1");
                                  mask.nw_src = be32{0xffffffff};
                                  value.nw_proto = 2;
                                  mask.nw_proto = 0xff;
                                  value.arp_sha = Mac::from_value(1);
                                  mask.arp_sha = Mac::from_value(0xffffffffffff);
                                })}),
            "set(arp(sip=10.0.0.1,op=2,sha=00:00:00:00:00:01))");
  EXPECT_EQ(format_program({set(Header::Mpls,
                                [](auto& value, auto& mask) {
                                  value.mpls[0] = be32{9u << 12 | 1u << 8 | 6};
                                  mask.mpls[0] = be32{0xffffffff};
                                })}),
            "set(mpls(label=9,tc=0,ttl=6,bos=1))");
  EXPECT_EQ(format_program({set(Header::SkbPriority,
                                [](auto& value, auto& mask) {
                                  value.skb_priority = be32{3};
                                  mask.skb_priority = be32{0xffffffff};
                                }),
                            set(Header::PktMark,
                                [](auto& value, auto& mask) {
                                  value.pkt_mark = be32{5};
                                  mask.pkt_mark = be32{0xf};
                                })}),
            "set(skb_priority(0x3)),set(skb_mark(0x5/0xf))");
}

/// A match on in_port 1 and recirc_id 0 and what `fill` adds.
template <typename Fill>
std::string match_text(Fill fill, const field::NameResolver* names = nullptr) {
  flow::Match match;
  match.value.in_port = be32{1};
  match.mask.bits.in_port = match.mask.bits.recirc_id = be32{0xffffffff};
  match.mask.bits.eth_type = be16{0xffff};
  fill(match.value, match.mask.bits);
  return format_odp_match(match, names);
}

TEST(MatchText, Plain) {
  EXPECT_EQ(match_text([](auto& value, auto&) { value.eth_type = be16{0x1234}; }),
            "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x1234)");
  EXPECT_EQ(match_text([](auto& value, auto&) { value.eth_type = be16{net::ethertype::kNone}; }),
            "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0/0xffff)");
}

TEST(MatchText, ConnectionTracking) {
  EXPECT_EQ(match_text([](auto& value, auto& mask) {
              value.eth_type = be16{0x0800};
              mask.nw_frag = 0xff;
              value.ct_state = be32{0x21};
              mask.ct_state = be32{0x21};
              value.ct_zone = be16{5};
              mask.ct_zone = be16{0xffff};
              value.ct_mark = be32{0xa};
              mask.ct_mark = be32{0xf};
              value.ct_label = {be64{0}, be64{1}};
              mask.ct_label = {be64{0}, be64{3}};
              value.recirc_id = be32{3};
            }),
            "ct_state(+new+trk),ct_zone(0x5),ct_mark(0xa/0xf),ct_label(0x1/0x3),recirc_id(0x3),in_port(1),"
            "packet_type(ns=0,id=0),eth_type(0x0800),ipv4(frag=no)");
  EXPECT_EQ(match_text([](auto& value, auto& mask) {
              value.eth_type = be16{0x0800};
              mask.ct_state = be32{0x20};
            }),
            "ct_state(-trk),recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800)");
  EXPECT_EQ(match_text([](auto& value, auto& mask) {
              value.eth_type = be16{0x0800};
              mask.ct_state = be32{0xff};
              value.ct_state = be32{0x22};
              value.ct_nw_src = ip("10.0.0.1");
              mask.ct_nw_src = be32{0xffffffff};
              value.ct_nw_proto = 6;
              mask.ct_nw_proto = 0xff;
              value.ct_tp_dst = be16{80};
              mask.ct_tp_dst = be16{0xffff};
            }),
            "ct_state(est|trk),ct_tuple4(src=10.0.0.1,proto=6,tp_dst=80),recirc_id(0),in_port(1),"
            "packet_type(ns=0,id=0),eth_type(0x0800)");
}

TEST(MatchText, Protocols) {
  EXPECT_EQ(match_text([](auto& value, auto& mask) {
              value.eth_type = be16{0x0806};
              value.nw_src = ip("10.0.0.0");
              mask.nw_src = be32{0xff000000};
              value.nw_proto = 1;
              mask.nw_proto = 0xff;
              mask.arp_tha = Mac::from_value(0xffffffffffff);
            }),
            "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0806),"
            "arp(sip=10.0.0.0/255.0.0.0,op=1,tha=00:00:00:00:00:00)");
  EXPECT_EQ(match_text([](auto& value, auto& mask) {
              value.eth_type = be16{0x86dd};
              value.nw_proto = 58;
              mask.nw_proto = mask.nw_frag = 0xff;
              value.tp_src = be16{135};
              mask.tp_src = mask.tp_dst = be16{0xffff};
              value.nd_target = ipv6("fe80::");
              mask.nd_target = net::ipv6_prefix_mask(10);
              value.arp_sha = Mac::from_value(1);
              mask.arp_sha = Mac::from_value(0xffffffffffff);
            }),
            "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x86dd),ipv6(proto=58,frag=no),"
            "icmpv6(type=135,code=0),nd(target=fe80::/ffc0::,sll=00:00:00:00:00:01)");
  EXPECT_EQ(match_text([](auto& value, auto& mask) {
              value.eth_type = be16{0x86dd};
              value.ipv6_src = ipv6("fe80::");
              mask.ipv6_src = net::ipv6_prefix_mask(16);
              value.ipv6_label = be32{5};
              mask.ipv6_label = be32{0xfffff};
              value.nw_proto = 17;
              mask.nw_proto = mask.nw_frag = 0xff;
              mask.nw_tos = 0xfc;
              value.tp_src = be16{53};
              mask.tp_src = be16{0xffff};
            }),
            "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x86dd),"
            "ipv6(src=fe80::/ffff::,label=0x5,proto=17,tclass=0/0xfc,frag=no),udp(src=53)");
  EXPECT_EQ(match_text([](auto& value, auto& mask) {
              value.eth_type = be16{0x0800};
              value.nw_proto = 1;
              mask.nw_proto = mask.nw_frag = 0xff;
              value.nw_frag = flow::kFragAny;
              value.tp_src = be16{8};
              mask.tp_src = be16{0xf8};
            }),
            "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800),ipv4(proto=1,frag=first),"
            "icmp(type=8/0xf8)");
  EXPECT_EQ(match_text([](auto& value, auto& mask) {
              value.eth_type = be16{0x0800};
              value.nw_proto = 6;
              mask.nw_proto = mask.nw_frag = 0xff;
              value.tp_dst = be16{80};
              mask.tp_dst = be16{0xfff0};
              value.tcp_flags = be16{2};
              mask.tcp_flags = be16{0x12};
            }),
            "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800),ipv4(proto=6,frag=no),"
            "tcp(dst=80/0xfff0),tcp_flags(+syn-ack)");
  EXPECT_EQ(
      match_text([](auto& value, auto& mask) {
        value.eth_type = be16{0x0800};
        value.nw_proto = 132;
        mask.nw_proto = mask.nw_frag = 0xff;
        value.tp_dst = be16{5};
        mask.tp_dst = be16{0xffff};
      }),
      "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800),ipv4(proto=132,frag=no),sctp(dst=5)");
}

TEST(MatchText, Tags) {
  EXPECT_EQ(match_text([](auto& value, auto& mask) {
              value.eth_type = be16{0x0800};
              value.vlan[0] = {be16{0x8100}, be16{0x1007}};
              mask.vlan[0] = {be16{0xffff}, be16{0x1fff}};
              mask.nw_frag = 0xff;
            }),
            "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x8100),vlan(vid=7,pcp=0/0x0),"
            "encap(eth_type(0x0800),ipv4(frag=no))");
  EXPECT_EQ(match_text([](auto& value, auto& mask) {
              value.eth_type = be16{0x8847};
              value.mpls[0] = be32{5u << 12};
              mask.mpls[0] = be32{0xfffff000};
            }),
            "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x8847),"
            "mpls(label=5/0xfffff,tc=0/0,ttl=0/0x0,bos=0/0)");
}

struct Names final : field::NameResolver {
  std::optional<std::uint32_t> port_number(std::string_view) const override { return std::nullopt; }
  std::optional<std::string> port_name(std::uint32_t port) const override {
    if (port == 1) return "veth0";
    return std::nullopt;
  }
};

TEST(MatchText, PortNames) {
  const Names names;
  EXPECT_EQ(match_text([](auto& value, auto&) { value.eth_type = be16{0x1234}; }, &names),
            "recirc_id(0),in_port(veth0),packet_type(ns=0,id=0),eth_type(0x1234)");
  EXPECT_EQ(format_program({Output{1}, Output{2}}, &names), "veth0,2");
}

}  // namespace
}  // namespace sluice::dp_action
