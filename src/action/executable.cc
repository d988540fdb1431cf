// What this switch can't run yet is refused when a flow is added, never ignored: one sentence names it.
#include "action/all_actions.h"

namespace sluice::action {

namespace {

Status refuse(std::string_view what) {
  return field::fail(std::string(what) + " is not yet supported", field::OfError::BacBadType);
}

Status check_action(const Action& action) {
  return std::visit(
      []<typename T>([[maybe_unused]] const T& a) -> Status {
        if constexpr (std::is_same_v<T, Encap>)
          return a.packet_type == Encap::kEthernet ? Status{} : refuse("encap of anything but ethernet");
        else if constexpr (std::is_same_v<T, DecNshTtl>)
          return refuse("the dec_nsh_ttl action");
        else if constexpr (std::is_same_v<T, CtAction>) {
          return check_executable(a.nested);
        } else if constexpr (std::is_same_v<T, Clone> || std::is_same_v<T, WriteActions>) {
          return check_executable(a.actions);
        } else {
          return {};
        }
      },
      action.variant());
}

}  // namespace

Status check_executable(const ActionList& actions) {
  for (const Action& action : actions) SLUICE_TRY(check_action(action));
  return {};
}

}  // namespace sluice::action
