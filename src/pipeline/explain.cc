#include "pipeline/explain.h"

#include <fmt/core.h>

#include <deque>

#include "dp_action/program.h"
#include "field/key_text.h"
#include "field/match_text.h"
#include "net/protocol.h"
#include "pipeline/translator.h"

namespace sluice::pipeline {
namespace {

using flow::FlowKey;
namespace eth = net::ethertype;

/// Passes that one trace follows; a pipeline that recirculates for ever would go on.
constexpr unsigned kMaxPasses = 64;

constexpr std::string_view kRuler =
    "===============================================================================";
constexpr std::string_view kDefaultOutcome = "default ct_state=trk|new (use --ct-next to customize)";

std::string_view describe(packet::DropReason error) {
  using packet::DropReason;
  switch (error) {
    case DropReason::ResubmitDepth:
      return "Recursion too deep";
    case DropReason::ResubmitLimit:
      return "Too many resubmits";
    case DropReason::TranslationTooLarge:
      return "Stack too deep";
    case DropReason::RecirculationLost:
      return "No recirculation context";
    case DropReason::RecirculationExhausted:
      return "Recirculation conflict";
    case DropReason::MplsDepth:
      return "Too many MPLS labels";
    case DropReason::UnsupportedPacketType:
      return "Unsupported packet type";
    default:
      return packet::drop_reason_sentence(error);
  }
}

/// For which protocol of the switch's own the action hands the packet to main, behind a meter or not.
dp_action::Userspace::Slow slow_of(const dp_action::DpAction& action) {
  const auto* sample = std::get_if<dp_action::Sample>(&action);
  const auto& innermost = sample && !sample->actions->empty() ? sample->actions->back() : action;
  const auto* userspace = std::get_if<dp_action::Userspace>(&innermost);
  return userspace ? userspace->slow : dp_action::Userspace::Slow::None;
}

/// What is for the switch itself is no action to a user.
std::string describe_program(const dp_action::Program& program) {
  using Slow = dp_action::Userspace::Slow;
  std::string reasons;
  auto shown = program;
  std::erase_if(shown, [&](const dp_action::DpAction& action) {
    const Slow slow = slow_of(action);
    if (slow == Slow::None) return false;
    const std::string_view reason = slow == Slow::Lacp  ? "  - Consists of LACP packets.\n"
                                    : slow == Slow::Stp ? "  - Consists of STP packets.\n"
                                                        : "  - Uses action(s) not supported by datapath.\n";
    if (reasons.find(reason) == std::string::npos) reasons += reason;
    return true;
  });
  std::string text = "Datapath actions: " + dp_action::format_program(shown, nullptr) + '\n';
  if (!reasons.empty()) text += "This flow is handled by the userspace slow path because it:\n" + reasons;
  return text;
}

std::string format_masked(const FlowKey& key, const flow::Mask& mask, const action::Names& names) {
  return field::format_match({flow::masked(key, mask), mask}, names.ports);
}

std::string format_megaflow(const FlowKey& key, flow::Mask mask, const action::Names& names) {
  // Whether there is a VLAN tag goes without saying, as in a datapath flow.
  if (key.packet_type.raw() == 0) mask.bits.packet_type = {};
  if (key.vlan[0].tci.raw() == 0 || mask.bits.vlan[0].tci.host() == flow::kVlanPresent) mask.bits.vlan = {};
  mask.bits.vlan[0].tpid = mask.bits.vlan[1].tpid = {};
  std::string text = format_masked(key, mask, names);
  const std::size_t after_recirc = text.find(',');
  // "eth" stands before the first word about the packet itself, where no shorthand of the printer put it.
  if (text.find("eth,") == std::string::npos && text.find(",eth") == std::string::npos)
    text.insert(after_recirc == std::string::npos ? text.size() : after_recirc, ",eth");
  return text;
}

}  // namespace

ExplainResult explain_packet(const TranslationInput& first_input, const FlowKey& first_key,
                             const action::ActionList* actions, const CtHook& hook,
                             const action::Names& names) {
  ExplainResult result;
  struct Pass {
    FlowKey key;
    std::string heading;
  };
  std::deque<Pass> passes;
  passes.push_back({first_key, {}});
  // A key that was written by hand says dl_vlan and not with which EtherType.
  for (flow::VlanTag& tag : passes.front().key.vlan)
    if ((tag.tci.host() & flow::kVlanPresent) && tag.tpid.raw() == 0) tag.tpid = be16{eth::kVlan};
  for (unsigned n = 0; !passes.empty() && n < kMaxPasses; ++n) {
    const Pass pass = std::move(passes.front());
    passes.pop_front();
    if (n != 0) result.text += fmt::format("\n{}\n{}\n{}\n\n", kRuler, pass.heading, kRuler);

    Trace trace;
    TranslationInput input = first_input;
    input.trace = &trace;
    input.names = names;
    flow::Mask mask{};
    dp_action::Program program;
    Credits credits;
    Translator translator(input, pass.key, mask, program, credits);
    trace.open(Trace::Kind::Bridge, fmt::format("bridge(\"{}\")", input.bridge.ports->config.name));
    if (n == 0 && actions)
      translator.run_actions(*actions);
    else
      translator.run();
    trace.close();

    result.text += "Flow: " + field::format_key(pass.key, names.ports) + '\n' + trace.print();
    FlowKey final_key = translator.key();
    const bool changed = !(final_key == pass.key);
    result.text +=
        "\nFinal flow: " + (changed ? field::format_key(final_key, names.ports) : "unchanged") + '\n';
    result.text += "Megaflow: " + format_megaflow(pass.key, mask, names) + '\n';
    result.text += describe_program(program);
    if (const auto error = translator.error())
      result.text += fmt::format("Translation failed ({}), packet is dropped.\n", describe(*error));

    for (const Fork& fork : translator.forks()) {
      if (!fork.request) {
        passes.push_back({fork.key, fmt::format("recirc(0x{:x})", fork.recirc_id)});
        continue;
      }
      const CtOutcome outcome = hook ? hook(*fork.request, fork.key) : CtOutcome{};
      FlowKey key = outcome.packet.value_or(fork.key);
      key.recirc_id = be32{fork.recirc_id};
      key.ct_state = be32{outcome.state};
      key.ct_zone = be16{fork.request->zone};
      key.ct_mark = be32{outcome.mark};
      key.ct_label = outcome.label;
      passes.push_back({key, fmt::format("recirc(0x{:x}) - resume conntrack with {}", fork.recirc_id,
                                         outcome.sentence.empty() ? kDefaultOutcome : outcome.sentence)});
    }
    if (n == 0) {
      result.mask = mask;
      result.program = std::move(program);
      result.drop = translator.drop();
    }
  }
  return result;
}

}  // namespace sluice::pipeline
