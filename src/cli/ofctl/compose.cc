// Verbs that make packets of flows and flows of packets, and that show how versions say a VLAN match: what
// scripts written for ovs-ofctl use to check encodings.
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iterator>
#include <numeric>

#include "action/codec.h"
#include "cli/ofctl/files.h"
#include "cli/ofctl/plumbing.h"
#include "field/key_text.h"
#include "field/match_text.h"
#include "flow/compose.h"
#include "flow/extract.h"
#include "net/protocol.h"
#include "openflow/match.h"
#include "openflow/packet_in.h"
#include "packet/packet_pool.h"
#include "port/pcap/capture_file.h"

namespace sluice::cli::ofctl {

namespace {

constexpr std::size_t kPayloadBytes = 64;

flow::FlowKey extract(Bytes frame) {
  flow::FlowKey key;
  packet::PacketPool pool(1);
  (void)flow::extract_frame(frame, pool, key);  // all zero if no packet can be like that
  return key;
}

/// Of a packet that came from nowhere, too.
std::string text_of(flow::FlowKey key) {
  if (key.in_port.raw() == 0) key.in_port = be32{action::of_port::kNone};
  return field::format_key(key);
}

bool has_payload(const flow::FlowKey& key) {
  const bool ipv4 = key.eth_type.host() == net::ethertype::kIpv4;
  const bool ip = ipv4 || key.eth_type.host() == net::ethertype::kIpv6;
  if (!ip || key.nw_frag != 0) return false;
  return key.nw_proto == net::ip_proto::kTcp || key.nw_proto == net::ip_proto::kUdp ||
         (ipv4 && key.nw_proto == net::ip_proto::kIcmp);
}

std::string without_blanks(std::string text) {
  std::erase(text, ' ');
  return text;
}

Status print_capture(Bytes frame) {
  if (isatty(STDOUT_FILENO) != 0)
    return fail("not writing pcap data to stdout; redirect to a file or pipe it");
  SLUICE_ASSIGN(auto capture, port::CaptureWriter::create("/dev/stdout", false));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  SLUICE_TRY(capture.write(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count(), frame));
  return capture.flush();
}

std::string vlan_tci_of(const Result<flow::Match>& match) {
  if (!match)
    return std::string(
        field::of_error_name(field::of_error(match.error()).value_or(field::OfError::BmcBadField)));
  return fmt::format("{:04x}/{:04x}", match->value.vlan[0].tci.host(), match->mask.bits.vlan[0].tci.host());
}

/// Number and priority, which OXM has apart; "--" without a priority.
std::string vlan_of_oxm(const Result<flow::Match>& match) {
  if (!match) return vlan_tci_of(match);
  constexpr unsigned kVid = 0x1fff, kPcpShift = 13;
  const unsigned tci = match->value.vlan[0].tci.host(), mask = match->mask.bits.vlan[0].tci.host();
  const std::string pcp = mask >> kPcpShift != 0 ? fmt::format("{:02x}", tci >> kPcpShift) : "--";
  return fmt::format("{:04x}/{:04x},{}", tci & kVid, mask & kVid, pcp);
}

/// "vid/wild,pcp/wild -> tci/mask" of a fixed match.
struct FixedPlaces {
  std::size_t wildcards, vid, pcp;
  std::uint32_t wild_vid, wild_pcp;
};
std::string fixed_line(Bytes bytes, const FixedPlaces& at, const Result<flow::Match>& back) {
  ByteReader wildcards(bytes.subspan(at.wildcards)), vid(bytes.subspan(at.vid));
  const std::uint32_t wild = wildcards.u32();
  return fmt::format("{:04x}/{},{:02x}/{} -> {}\n", vid.u16(), (wild & at.wild_vid) != 0 ? 1 : 0,
                     bytes[at.pcp], (wild & at.wild_pcp) != 0 ? 1 : 0, vlan_tci_of(back));
}

}  // namespace

Result<int> compose_packet(Run& run) {
  auto match = field::parse_match(run.words[0]);
  if (!match) return fail(fmt::format("{}: {}", run.words[0], original_text(match.error())));
  std::vector<std::uint8_t> payload;
  if (run.has(1)) {
    auto given = action::parse_hex_bytes(without_blanks(run.words[1]), "packet data");
    if (!given) return fail(fmt::format("{}: trailing garbage in packet data", run.words[1]));
    payload = std::move(*given);
  } else if (has_payload(match->value)) {
    payload.resize(kPayloadBytes);
    std::iota(payload.begin(), payload.end(), std::uint8_t{0});
  }
  const auto frame = flow::compose(match->value, payload);
  if (run.options.pcap)
    SLUICE_TRY(print_capture(frame));
  else
    print(openflow::hex_dump(frame, false));
  const std::string specified = text_of(match->value), extracted = text_of(extract(frame));
  if (specified == extracted) return 0;
  std::fflush(stdout);
  fmt::print(stderr, "specified and extracted flows differ:\nspecified: {}\nextracted: {}", specified,
             extracted);
  return 1;
}

Result<int> parse_packet(Run&) {
  std::vector<std::uint8_t> frame;
  std::uint8_t part[4096];
  for (std::size_t n = 0; (n = std::fread(part, 1, sizeof part, stdin)) > 0;) {
    if (frame.size() + n > packet::PacketPool::kLargeBytes)
      return fail("standard input is longer than any packet");
    frame.insert(frame.end(), part, part + n);
  }
  print(field::format_key(extract(frame)) + "\n");
  return 0;
}

Result<int> check_vlan(Run& run) {
  const auto hex = [](const std::string& word) {
    return static_cast<std::uint16_t>(std::strtoul(word.c_str(), nullptr, 16));
  };
  const std::uint16_t mask = hex(run.words[1]), tci = hex(run.words[0]);
  flow::Match match;
  field::set_match(match, field::FieldId::VlanTci, tci & mask, mask);
  print(fmt::format("{} -> {}\n", field::format_match(match), vlan_tci_of(match)));

  ByteWriter nxm, oxm;
  field::encode_match(match, openflow::k10, nxm);
  print(fmt::format("NXM: {} -> {}\n", field::format_oxm_text(nxm.bytes()),
                    vlan_tci_of(field::decode_match(nxm.bytes(), openflow::k10, true))));
  field::encode_match(match, openflow::k12, oxm);
  print(fmt::format("OXM: {} -> {}\n", field::format_oxm_text(oxm.bytes()),
                    vlan_of_oxm(field::decode_match(oxm.bytes(), openflow::k12, true))));

  ByteWriter of10, of11;
  openflow::encode_match10(match, of10);
  ByteReader in10(of10.bytes());
  print("OF1.0: " +
        fixed_line(of10.bytes(),
                   {.wildcards = 0, .vid = 18, .pcp = 20, .wild_vid = 1 << 1, .wild_pcp = 1 << 20},
                   openflow::decode_match10(in10)));
  openflow::encode_match11(match, of11);
  ByteReader in11(of11.bytes());
  print("OF1.1: " + fixed_line(of11.bytes(),
                               {.wildcards = 8, .vid = 36, .pcp = 38, .wild_vid = 1 << 1, .wild_pcp = 1 << 2},
                               openflow::decode_match11(in11)));
  return 0;
}

}  // namespace sluice::cli::ofctl
