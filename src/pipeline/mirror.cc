// Mirrors: copies of packets for a port (SPAN) or a VLAN (RSPAN). Each mirror gets a packet once, as it was
// where the mirror first chose it.
#include <bit>
#include <utility>

#include "pipeline/translator.h"

namespace sluice::pipeline {

using Kind = Trace::Kind;

/// Of a packet that has just come in.
void Translator::mirror_input() {
  if (here_.ports->mirrors.empty()) return;
  const Bundle* const input = here_.ports->bundle_of(flow_.in_port.host());
  if (!input) return;
  if (input->is_mirror_output) bar_ = Bar::Copies;
  if (input->sources != 0) mirror(*input, input->sources);
}

/// @param bundle  by which the packet came in or leaves, and which therefore says its VLAN
void Translator::mirror(const Bundle& bundle, MirrorSet chosen) {
  if (chosen == 0 && !tracing()) return;  // a trace tells of a VLAN that does not fit the bundle all the same
  const auto vlan = enter_vlan(bundle);
  if (!vlan) return;
  chosen &= ~mirrored_;
  for (; chosen != 0; chosen &= chosen - 1) {
    const auto index = static_cast<std::size_t>(std::countr_zero(chosen));
    const Mirror& mirror = here_.ports->mirrors[index];
    if (mirror.vlans.any() && !mirror.vlans[vlan->vlan]) continue;
    mirrored_ |= MirrorSet{1} << index;
    if (mirror.copied) credits_.add_traffic(mirror.copied);
    snaplen_ = mirror.snaplen;
    if (const Bundle* const out = here_.ports->find_bundle(mirror.output))
      output_normal(*out, *vlan);
    else if (mirror.output_vlan && *mirror.output_vlan != vlan->vlan)
      flood_vlan(&bundle, {*mirror.output_vlan, vlan->owns_tag}, true);
    snaplen_ = 0;
  }
}

}  // namespace sluice::pipeline
