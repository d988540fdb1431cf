// Every action, once: from this list fall the variant, the look-ups by name and by wire form, and the
// dispatch (registry.cc). To add an action: a file pair, a line here.
#pragma once

#include <variant>

#include "action/bundle.h"
#include "action/check_pkt_larger.h"
#include "action/clone.h"
#include "action/conjunction.h"
#include "action/controller.h"
#include "action/ct.h"
#include "action/delete_field.h"
#include "action/encap.h"
#include "action/exit.h"
#include "action/fin_timeout.h"
#include "action/group.h"
#include "action/instruction.h"
#include "action/learn.h"
#include "action/mod_dl.h"
#include "action/mod_nw.h"
#include "action/mod_tp.h"
#include "action/move.h"
#include "action/mpls.h"
#include "action/multipath.h"
#include "action/nat.h"
#include "action/note.h"
#include "action/output.h"
#include "action/queue.h"
#include "action/resubmit.h"
#include "action/sample.h"
#include "action/set_field.h"
#include "action/set_tunnel.h"
#include "action/stack.h"
#include "action/ttl.h"
#include "action/vlan.h"

namespace sluice::action {

template <typename... T>
struct TypeList {
  using Variant = std::variant<T...>;
  static constexpr std::size_t kSize = sizeof...(T);
  static_assert((ActionType<T> && ...));
  /// Calls f.template operator()<T>() for each type until one returns true.
  template <typename F>
  static constexpr bool any(F&& f) {
    return (f.template operator()<T>() || ...);
  }
};

using AllActions =
    TypeList<Output, OutputReg, OutputTruncated, Controller, Enqueue, SetQueue, PopQueue, Bundle, Multipath,
             Group, SetField, Load, Move, StackPush, StackPop, StripVlan, PushVlan, SetVlanVid, SetVlanPcp,
             SetEthSrc, SetEthDst, SetIpv4Src, SetIpv4Dst, SetIpDscp, SetIpEcn, SetIpTtl, SetL4Src, SetL4Dst,
             DecTtl, DecNshTtl, PushMpls, PopMpls, SetMplsLabel, SetMplsTc, SetMplsTtl, DecMplsTtl, SetTunnel,
             Resubmit, Clone, Note, Exit, Learn, Conjunction, FinTimeout, Sample, CheckPktLarger, DeleteField,
             Encap, Decap, CtAction, CtClear, NatAction, Meter, ClearActions, WriteActions, WriteMetadata,
             GotoTable>;

/// Any action. What a variant of so many types does to copy, compare and destroy is compiled once, in
/// action_list.cc, not wherever an action is held.
struct Action : AllActions::Variant {
  using AllActions::Variant::variant;
  Action(const Action& other);
  Action(Action&& other) noexcept;
  Action& operator=(const Action& other);
  Action& operator=(Action&& other) noexcept;
  ~Action();

  const AllActions::Variant& variant() const { return *this; }
  AllActions::Variant& variant() { return *this; }
};
bool operator==(const Action& a, const Action& b);

/// The action as T, or nullptr.
template <typename T>
const T* as(const Action& action) {
  return std::get_if<T>(&action.variant());
}

}  // namespace sluice::action
