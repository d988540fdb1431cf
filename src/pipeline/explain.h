// ofproto/trace: translates a packet with narration, and again for each recirculation that it causes.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "conntrack/request.h"
#include "dp_action/program.h"
#include "flow/flow_key.h"
#include "packet/drop_reason.h"

namespace sluice::action {
class ActionList;
struct Names;
}  // namespace sluice::action

namespace sluice::pipeline {

struct TranslationInput;

/// What a connection tracker would say, for explain().
struct CtOutcome {
  std::uint32_t state = conntrack::ct_state::kTracked | conntrack::ct_state::kNew;
  std::uint32_t mark = 0;
  be128 label;
  /// The packet as ct() leaves it (NAT, original tuple); unset: unchanged.
  std::optional<flow::FlowKey> packet;
  /// Heads the section of the trace: "resume conntrack with SENTENCE". Empty: as ovs-appctl says for its
  /// default.
  std::string sentence;
};
/// `key` is the packet at that point, in_port an OpenFlow port.
using CtHook = std::function<CtOutcome(const conntrack::CtRequest&, const flow::FlowKey& key)>;

struct ExplainResult {
  std::string text;  ///< as ofproto/trace prints it
  flow::Mask mask;   ///< of the first pass
  dp_action::Program program;
  std::optional<packet::DropReason> drop;
};

/// `actions` null: from table 0, or where `key` was frozen.
ExplainResult explain_packet(const TranslationInput& input, const flow::FlowKey& key,
                             const action::ActionList* actions, const CtHook& hook,
                             const action::Names& names);

}  // namespace sluice::pipeline
