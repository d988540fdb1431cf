// Frames of any content through the whole datapath: walk, extraction, megaflows, connection tracking, header
// rewrites, recirculation, output. The input's first byte selects the program, the rest are frames of a
// length byte and bytes. Nothing may crash, and every packet must have exactly one end.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "datapath/fake_pipeline.h"

namespace {

using namespace sluice;
using namespace sluice::datapath;
using namespace sluice::dp_action;

SetHeader ones(SetHeader::Header header) {
  SetHeader::Values values;
  for (std::size_t i = 0; i < flow::kDatapathWords; ++i) {
    flow::set_word(values.mask.bits, i, ~std::uint64_t{0});
    flow::set_word(values.value, i, 0x0102030405060708ull * (i + 1));
  }
  return {header, values};
}

void decide(unsigned choice, const flow::FlowKey& key, UpcallResult& result) {
  exact_headers(result.mask);
  if (key.recirc_id.host() == 0) {
    result.program = {Ct{conntrack::CtRequest{.commit = (choice & 1) != 0}}};
    if ((choice & 2) != 0) result.program.push_back(PushVlan{be16{0x8100}, be16{0x1001}});
    if ((choice & 4) != 0) result.program.push_back(PushMpls{be32{0x1140}, be16{0x8847}});
    if ((choice & 8) != 0) result.program.push_back(Hash{});
    result.program.push_back(Recirc{1});
    return;
  }
  if ((choice & 16) != 0) result.program.push_back(PopVlan{});
  if ((choice & 32) != 0) result.program.push_back(PopMpls{be16{0x0800}});
  // Each header in a clone of its own: a packet that lacks it is dropped.
  for (unsigned header = 0; header <= static_cast<unsigned>(SetHeader::Header::Tunnel); ++header)
    result.program.push_back(Clone{{ones(static_cast<SetHeader::Header>(header)), Output{2}}});
  result.program.push_back(Truncate{20});
  result.program.push_back(Output{3});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned choice = data[0];
  Rig rig([choice](const flow::FlowKey& key, UpcallResult& result) { decide(choice, key, result); }, 3,
          {.max_packets = 256}, {.max_connections = 64});
  for (std::size_t at = 1; at < size;) {
    const std::size_t length = std::min<std::size_t>(data[at], size - at - 1);
    rig.arrive(1, {data + at + 1, length});
    at += 1 + length;
  }
  rig.run();
  const auto stats = rig.datapath.stats();
  SLUICE_CHECK(stats.unaccounted() == 0);
  SLUICE_CHECK(rig.datapath.packets_in_use() == 0);
  return 0;
}
