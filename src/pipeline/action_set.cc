#include "pipeline/action_set.h"

#include "action/all_actions.h"

namespace sluice::pipeline {
namespace {

template <typename... A>
constexpr bool is_any(const action::Action& action) {
  return ((action::as<A>(action) != nullptr) || ...);
}

template <typename A>
bool add_last(const action::ActionList& set, action::ActionList& ordered) {
  const action::Action* last = nullptr;
  for (const action::Action& action : set)
    if (action::as<A>(action)) last = &action;
  if (last) ordered.push_back(*last);
  return last != nullptr;
}

bool changes_field(const action::Action& a) {
  using namespace action;
  return is_any<SetField, Load, Move, SetEthSrc, SetEthDst, SetIpv4Src, SetIpv4Dst, SetIpDscp, SetIpEcn,
                SetIpTtl, SetL4Src, SetL4Dst, SetVlanVid, SetVlanPcp, SetMplsLabel, SetMplsTc, SetMplsTtl,
                SetTunnel>(a);
}

}  // namespace

action::ActionList in_order(const action::ActionList& set) {
  action::ActionList ordered;
  add_last<action::StripVlan>(set, ordered);
  add_last<action::PopMpls>(set, ordered);
  add_last<action::Decap>(set, ordered);
  add_last<action::Encap>(set, ordered);
  add_last<action::PushMpls>(set, ordered);
  add_last<action::PushVlan>(set, ordered);
  add_last<action::DecTtl>(set, ordered);
  add_last<action::DecMplsTtl>(set, ordered);
  for (const action::Action& action : set)
    if (changes_field(action)) ordered.push_back(action);
  add_last<action::SetQueue>(set, ordered);
  // A group takes the place of an output, and so on; with none of them the packet is dropped.
  const bool leaves = add_last<action::Group>(set, ordered) || add_last<action::Output>(set, ordered) ||
                      add_last<action::Resubmit>(set, ordered) || add_last<action::CtAction>(set, ordered);
  return leaves ? ordered : action::ActionList{};
}

}  // namespace sluice::pipeline
