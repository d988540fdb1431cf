// The key of a packet as text: every field that such a packet has, as ofproto/trace and packet-ins show it.
#pragma once

#include <string>

#include "field/field.h"
#include "flow/flow_key.h"

namespace sluice::field {

/// "tcp,in_port=1,vlan_tci=0x0000,dl_src=…"; metadata only where they are not zero.
std::string format_key(const flow::FlowKey& key, const NameResolver* names = nullptr);

}  // namespace sluice::field
