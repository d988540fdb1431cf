// The order in which an action set is executed (OpenFlow 1.5.1 section 5.6, with Open vSwitch's actions in
// their places).
#pragma once

#include "action/action.h"

namespace sluice::pipeline {

/// The actions of the set that count, in order: of each kind the last one, of those that change fields all.
/// Empty if nothing in it sends the packet anywhere.
action::ActionList in_order(const action::ActionList& set);

}  // namespace sluice::pipeline
