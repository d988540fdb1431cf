// Random flows with actions: lines that ovs-ofctl and Sluice both accept, with every action that fits what
// the flow matches. Seeded, so that a failure repeats.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"

namespace sluice::testing {

class ActionGenerator {
 public:
  explicit ActionGenerator(std::uint64_t seed) : rng_(seed) {}

  struct Flow {
    std::string match, actions;
    std::string line() const { return match + (match.empty() ? "" : ",") + "actions=" + actions; }
  };

  /// A flow of one to `most` actions. Only actions that every version from 1.0 on can carry if `any_version`.
  Flow flow(unsigned most, bool any_version) {
    static constexpr std::string_view kMatches[] = {
        "",         "ip",  "tcp",  "udp",  "sctp",      "ipv6",          "tcp6",
        "udp6",     "arp", "mpls", "icmp", "dl_vlan=5", "tcp,dl_vlan=7", "tcp,ct_state=+trk-inv",
        "in_port=3"};
    match_ = kMatches[rng_.below(std::size(kMatches))];
    any_version_ = any_version;
    Flow result{.match = std::string(match_)};
    const std::uint64_t count = 1 + rng_.below(most);
    for (std::uint64_t i = 0; i < count; ++i) append(result.actions, one(0));
    return result;
  }

  /// A single action that fits the last flow's match.
  std::string one(unsigned depth) {
    for (;;) {
      std::string text = attempt(depth);
      if (!text.empty()) return text;
    }
  }

  Rng& rng() { return rng_; }

 private:
  static void append(std::string& list, const std::string& action) {
    list += (list.empty() ? "" : ",") + action;
  }
  bool matches(std::string_view word) const { return match_.find(word) != std::string_view::npos; }
  bool is_ipv4() const {
    return match_ == "ip" || match_.starts_with("ip,") ||
           ((matches("tcp") || matches("udp") || matches("sctp") || matches("icmp")) && !matches("6"));
  }
  bool is_ipv6() const { return matches("6"); }
  bool is_ip() const { return is_ipv4() || is_ipv6(); }
  bool has_ports() const { return matches("tcp") || matches("udp") || matches("sctp"); }

  std::string number(std::uint64_t bound) { return std::to_string(rng_.below(bound)); }
  std::string hex(unsigned bits) {
    static constexpr char kDigits[] = "0123456789abcdef";
    const std::uint64_t digits = 1 + rng_.below((bits + 3) / 4);
    std::string text = "0x";
    for (std::uint64_t i = 0; i < digits; ++i)
      text += kDigits[rng_.below(i == 0 && digits * 4 > bits ? 1u << (bits % 4 == 0 ? 4 : bits % 4) : 16)];
    return text;
  }
  std::string mac() {
    std::string text;
    for (int i = 0; i < 6; ++i) {
      const auto byte = rng_.below(256);
      text +=
          (i == 0 ? "" : ":") + std::string(1, "0123456789abcdef"[byte >> 4]) + "0123456789abcdef"[byte & 15];
    }
    return text;
  }
  std::string ipv4() {
    return number(223) + "." + number(256) + "." + number(256) + "." + std::to_string(1 + rng_.below(250));
  }
  std::string ipv6() { return "fe80::" + hex(16).substr(2) + ":" + std::to_string(1 + rng_.below(9000)); }
  std::string port() {
    static constexpr std::string_view kNames[] = {"LOCAL", "in_port"};
    return rng_.chance(20) ? std::string(kNames[rng_.below(2)]) : std::to_string(1 + rng_.below(60000));
  }
  std::string data() {
    std::string text;
    for (auto n = 1 + rng_.below(20); n > 0; --n) text += (text.empty() ? "" : ".") + number(10) + number(10);
    return text;
  }

  struct Register {
    std::string name;
    unsigned bits;
  };
  Register reg() {
    switch (rng_.below(6)) {
      case 0:
        return {"xreg" + number(8), 64};
      case 1:
        return {"xxreg" + number(4), 128};
      case 2:
        return {"metadata", 64};
      case 3:
        return {"NXM_NX_REG" + number(16), 32};
      default:
        return {"reg" + number(16), 32};
    }
  }
  /// A sub-field of `width` bits, or of any width if 0, which it then sets.
  std::string subfield(unsigned& width) {
    Register r = reg();
    while (width > r.bits) r = reg();
    if (width == 0) {
      if (rng_.chance(30)) {
        width = r.bits;
        return r.name + (rng_.chance(50) ? "[]" : "");
      }
      width = 1 + static_cast<unsigned>(rng_.below(r.bits));
    }
    const auto start = static_cast<unsigned>(rng_.below(r.bits - width + 1));
    if (width == 1) return r.name + "[" + std::to_string(start) + "]";
    return r.name + "[" + std::to_string(start) + ".." + std::to_string(start + width - 1) + "]";
  }
  std::string subfield_of(unsigned width) { return subfield(width); }

  std::string set_field() {
    switch (rng_.below(14)) {
      case 0:
        return "set_field:" + mac() + "->eth_src";
      case 1:
        return "set_field:" + mac() + "->dl_dst";
      case 2:
        return is_ipv4() ? "set_field:" + ipv4() + "->ip_src" : "";
      case 3:
        return is_ipv4() ? "set_field:" + ipv4() + "->nw_dst" : "";
      case 4:
        return is_ipv6() ? "set_field:" + ipv6() + "->ipv6_dst" : "";
      case 5:
        return is_ip() ? "set_field:" + number(64) + "->ip_dscp" : "";
      case 6:
        return is_ip() ? "set_field:" + number(4) + "->nw_ecn" : "";
      case 7:
        return matches("tcp") ? "set_field:" + number(65536) + "->tcp_dst" : "";
      case 8:
        return matches("udp") ? "set_field:" + number(65536) + "->udp_src" : "";
      case 9:
        return matches("arp") ? "set_field:" + ipv4() + "->arp_spa" : "";
      case 10:
        return matches("dl_vlan") ? "set_field:" + std::to_string(4096 + rng_.below(4096)) + "->vlan_vid"
                                  : "";
      case 11:
        return matches("mpls") ? "set_field:" + number(1u << 20) + "->mpls_label" : "";
      case 12: {
        const std::string value = hex(32);
        // The value lies within the mask: ovs-ofctl of 3.1 refuses its own encoding of another.
        return rng_.chance(50) ? "set_field:" + value + "->reg" + number(16)
                               : "set_field:" + value + "/" + value + "->reg" + number(16);
      }
      default:
        return "set_field:" + hex(rng_.chance(50) ? 64 : 20) + "->tun_id";
    }
  }

  std::string nat() {
    if (rng_.chance(30)) return "nat";
    std::string text = rng_.chance(50) ? "nat(src" : "nat(dst";
    if (rng_.chance(80)) {
      const bool ports = rng_.chance(50);
      const auto address = [&](const std::string& last) {
        if (is_ipv4()) return "10.1.2." + last;
        return ports ? "[fe80::" + last + "]" : "fe80::" + last;
      };
      text += "=" + address("5");
      if (rng_.chance(50)) text += "-" + address("9");
      if (ports) {
        text += ":" + std::to_string(1 + rng_.below(1000));
        if (rng_.chance(50)) text += "-" + std::to_string(2000 + rng_.below(60000));
      }
      if (rng_.chance(30)) text += ",persistent";
      if (rng_.chance(30)) text += rng_.chance(50) ? ",hash" : ",random";
    }
    return text + ")";
  }

  std::string ct() {
    if (!is_ip()) return "";
    const bool commit = rng_.chance(60);
    std::vector<std::string> arguments;
    if (commit) arguments.emplace_back("commit");
    if (commit && rng_.chance(20)) arguments.emplace_back("force");
    if (rng_.chance(40)) arguments.push_back("table=" + number(255));
    if (rng_.chance(50)) arguments.push_back("zone=" + (rng_.chance(50) ? number(65536) : subfield_of(16)));
    if (rng_.chance(30)) arguments.push_back(commit ? nat() : "nat");
    if (matches("tcp") && rng_.chance(20)) arguments.emplace_back("alg=ftp");
    if (matches("udp") && rng_.chance(20)) arguments.emplace_back("alg=tftp");
    if (commit && rng_.chance(50)) {
      std::string exec;
      for (auto n = 1 + rng_.below(3); n > 0; --n) {
        switch (rng_.below(5)) {
          case 0:
            append(exec, "load:" + hex(32) + "->NXM_NX_CT_MARK[]");
            break;
          case 1:
            append(exec, "load:" + hex(100) + "->ct_label[0..99]");
            break;
          case 2:
            append(exec, "move:" + subfield_of(32) + "->ct_mark");
            break;
          case 3:
            append(exec, any_version_ ? "move:" + subfield_of(8) + "->ct_label[64..71]"
                                      : "set_field:" + hex(120) + "->ct_label");
            break;
          default:
            append(exec, any_version_ ? "load:1->ct_mark[5]" : "set_field:0x5/0xf->ct_mark");
            break;
        }
      }
      arguments.push_back("exec(" + exec + ")");
    }
    std::string text;
    while (!arguments.empty()) {
      const auto at = rng_.below(arguments.size());
      append(text, arguments[at]);
      arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return "ct(" + text + ")";
  }

  std::string learn() {
    static constexpr std::string_view kParts[] = {"NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]",
                                                  "eth_src",
                                                  "dl_type=0x800",
                                                  "reg3[0..7]=0x1f",
                                                  "in_port=7",
                                                  "NXM_OF_VLAN_TCI[0..11]",
                                                  "load:NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15]",
                                                  "load:0x5->NXM_NX_REG0[0..7]",
                                                  "output:NXM_OF_IN_PORT[]",
                                                  "idle_timeout=60",
                                                  "hard_timeout=9",
                                                  "priority=12",
                                                  "cookie=0x123",
                                                  "send_flow_rem",
                                                  "delete_learned",
                                                  "limit=5",
                                                  "result_dst=reg0[3]",
                                                  "fin_idle_timeout=3",
                                                  "fin_hard_timeout=4",
                                                  "load:10.0.0.1->NXM_NX_REG3[]"};
    std::string text = "table=" + number(255);
    for (auto n = rng_.below(8); n > 0; --n)
      text += "," + std::string(kParts[rng_.below(std::size(kParts) - 1)]);
    return "learn(" + text + ")";
  }

  std::string attempt(unsigned depth) {
    unsigned width = 0;
    switch (rng_.below(44)) {
      case 0:
        return port();
      case 1:
        return "output:" + port();
      case 2:
        return "output:" + subfield_of(static_cast<unsigned>(1 + rng_.below(16)));
      case 3:
        return "output(port=" + port() + ",max_len=" + std::to_string(14 + rng_.below(9000)) + ")";
      case 4:
        return std::vector<std::string>{"NORMAL", "FLOOD", "ALL", "TABLE", "CONTROLLER"}[rng_.below(5)];
      case 5:
        return "controller:" + number(65536);
      case 6: {
        std::string text =
            "controller(reason=" +
            std::vector<std::string>{"no_match", "action", "invalid_ttl", "group"}[rng_.below(4)];
        if (rng_.chance(50)) text += ",max_len=" + number(65536);
        if (rng_.chance(50)) text += ",id=" + number(65536);
        if (rng_.chance(30)) text += ",userdata=" + data();
        if (rng_.chance(30)) text += ",pause";
        return text + ")";
      }
      case 7:
        return "enqueue(" + port() + "," + number(100000) + ")";
      case 8:
        return "set_queue:" + number(4294967295);
      case 9:
        return "pop_queue";
      case 10:
        return "group:" + number(4294967000);
      case 11:
        return "bundle(" + hash_fields() + "," + number(65536) + "," +
               (rng_.chance(50) ? "hrw" : "active_backup") + ",ofport,members:" + number(100) + "," +
               number(100) + ")";
      case 12:
        return "bundle_load(" + hash_fields() + "," + number(65536) + ",hrw,ofport," + subfield_of(16) +
               ",members:" + number(100) + ")";
      case 13:
        return "multipath(" + hash_fields() + "," + number(65536) + "," +
               std::vector<std::string>{"modulo_n", "hash_threshold", "hrw", "iter_hash"}[rng_.below(4)] +
               "," + std::to_string(1 + rng_.below(256)) + "," + number(1000) + "," + subfield_of(8) + ")";
      case 14:
        return any_version_ ? "" : set_field();
      case 15:
        return any_version_ ? "" : set_field();
      case 16: {
        const std::string destination = subfield(width);
        return "load:" + hex(width) + "->" + destination;
      }
      case 17: {
        const std::string source = subfield(width);
        return "move:" + source + "->" + subfield_of(width);
      }
      case 18:
        return "push:" + subfield(width);
      case 19:
        return "pop:" + subfield(width);
      case 20:
        return "mod_dl_src:" + mac();
      case 21:
        return "mod_dl_dst:" + mac();
      case 22:
        return is_ipv4() ? "mod_nw_src:" + ipv4() : "";
      case 23:
        return is_ipv4() ? "mod_nw_dst:" + ipv4() : "";
      case 24:
        return is_ip() ? "mod_nw_tos:" + std::to_string(rng_.below(64) * 4) : "";
      case 25:
        return is_ip() ? "mod_nw_ecn:" + number(4) : "";
      case 26:
        return is_ip() ? "mod_nw_ttl:" + number(256) : "";
      case 27:
        return has_ports() ? "mod_tp_src:" + number(65536) : "";
      case 28:
        return has_ports() ? "mod_tp_dst:" + number(65536) : "";
      case 29:
        return is_ip()
                   ? (rng_.chance(50) ? "dec_ttl" : "dec_ttl(" + number(65536) + "," + number(65536) + ")")
                   : "";
      case 30:
        return rng_.chance(50) ? "mod_vlan_vid:" + number(4096) : "mod_vlan_pcp:" + number(8);
      case 31:
        return matches("dl_vlan") && depth == 0 ? "set_vlan_pcp:" + number(8) : "";
      case 32:
        return matches("mpls")
                   ? std::vector<std::string>{"set_mpls_label:" + number(1 << 20), "set_mpls_tc:" + number(8),
                                              "set_mpls_ttl:" + number(256), "dec_mpls_ttl"}[rng_.below(4)]
                   : "";
      case 33:
        return "set_tunnel:" + hex(rng_.chance(50) ? 32 : 64);
      case 34:
        return "set_tunnel64:" + hex(64);
      case 35:
        return rng_.chance(50) ? "resubmit(" + (rng_.chance(50) ? port() : "") + "," + number(255) + ")"
                               : "resubmit:" + std::to_string(1 + rng_.below(1000));
      case 36:
        return matches("ct_state") ? "resubmit(," + number(255) + ",ct)" : "";
      case 37:
        return rng_.chance(50) ? "note:" + data() : "exit";
      case 38: {
        std::string text = "sample(probability=" + std::to_string(1 + rng_.below(65535));
        if (rng_.chance(50)) text += ",collector_set_id=" + number(4294967296);
        if (rng_.chance(50))
          text += ",obs_domain_id=" + number(4294967296) + ",obs_point_id=" + number(4294967296);
        if (rng_.chance(50)) text += ",sampling_port=" + std::to_string(1 + rng_.below(100));
        if (rng_.chance(50)) text += rng_.chance(50) ? ",ingress" : ",egress";
        return text + ")";
      }
      case 39:
        return "check_pkt_larger(" + number(65536) + ")->" + subfield_of(1);
      case 40:
        return matches("tcp") ? "fin_timeout(idle_timeout=" + std::to_string(1 + rng_.below(100)) +
                                    ",hard_timeout=" + number(65536) + ")"
                              : "ct_clear";
      case 41:
        return ct();
      case 42:
        return learn();
      default: {
        if (depth > 1) return "";
        std::string nested;
        for (auto n = rng_.below(4); n > 0; --n) append(nested, one(depth + 1));
        return "clone(" + nested + ")";
      }
    }
  }
  std::string hash_fields() {
    static constexpr std::string_view kNames[] = {
        "eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp",
        "nw_src",  "nw_dst",       "symmetric_l3"};
    return std::string(kNames[rng_.below(std::size(kNames))]);
  }

  Rng rng_;
  std::string_view match_;
  bool any_version_ = true;
};

}  // namespace sluice::testing
