// Flow text and a packet key from the fuzzer's bytes: translation must not crash, and its mask must suffice:
// any key equal under the mask gives the same program.
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/rcu.h"
#include "base/rng.h"
#include "pipeline/pipeline.h"

namespace {

using namespace sluice;

constexpr Instant kNow{1'000'000'000};

void add_flows(pipeline::Pipeline& pipeline, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const auto flow = action::parse_flow(text.substr(0, end), action::FlowCommand::Add);
    if (flow) static_cast<void>(pipeline.apply(*flow, kNow));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
}

/// A key that a packet could have: what is absent is zero, EtherType and protocol are known ones.
void tidy(flow::FlowKey& key) {
  static constexpr std::uint16_t kTypes[] = {0x0800, 0x86dd, 0x0806, 0x8847, 0x1234};
  static constexpr std::uint8_t kProtocols[] = {6, 17, 1, 58, 132, 47};
  key.in_port = be32{1 + key.in_port.host() % 4};
  key.recirc_id = key.packet_type = {};
  key.eth_type = be16{kTypes[key.eth_type.host() % 5]};
  key.nw_proto = kProtocols[key.nw_proto % 6];
  key.nw_frag = 0;
  for (flow::VlanTag& tag : key.vlan)
    if (!(tag.tci.host() & flow::kVlanPresent)) tag = {};
  if (key.vlan[0].tci.raw() == 0) key.vlan[1] = {};
  const std::size_t rest = flow::kKeyBytes - flow::kDatapathBytes;
  std::memset(reinterpret_cast<unsigned char*>(&key) + flow::kDatapathBytes, 0, rest);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 64) return 0;
  pipeline::Pipeline pipeline(1);
  pipeline.set_port(action::of_port::kLocal, {.dp_port = 100, .name = "br0", .vlan = {}});
  for (std::uint32_t port = 1; port <= 3; ++port)
    pipeline.set_port(port, {.dp_port = port, .name = "p", .vlan = {}});
  std::uint64_t seed = 0;
  std::memcpy(&seed, data, 8);
  Rng rng(seed);
  flow::FlowKey key{};
  for (std::size_t i = 8; i < 64; ++i)
    reinterpret_cast<unsigned char*>(&key)[rng.below(flow::kDatapathBytes)] = data[i];
  tidy(key);
  add_flows(pipeline, {reinterpret_cast<const char*>(data) + 64, size - 64});

  pipeline::TranslationResult result, other;
  pipeline.translate(key, false, kNow, result);
  for (int i = 0; i < 8; ++i) {
    flow::FlowKey varied = key;
    for (std::size_t word = 0; word < flow::kDatapathWords; ++word) {
      const std::uint64_t open = ~flow::word_at(result.mask.bits, word) & rng.next() & rng.next();
      flow::set_word(varied, word, flow::word_at(varied, word) ^ open);
    }
    // What a tidy key has not, no packet has.
    flow::FlowKey tidied = varied;
    tidy(tidied);
    if (!flow::equal_under(key, tidied, result.mask)) continue;
    pipeline.translate(tidied, false, kNow, other);
    SLUICE_CHECK(other.program == result.program);
    SLUICE_CHECK(other.mask == result.mask);
  }
  pipeline.explain(key, kNow);
  rcu::reclaim();
  return 0;
}
