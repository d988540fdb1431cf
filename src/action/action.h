// OpenFlow actions and instructions as values. One file pair an action (output.h, output.cc, …): parse, format,
// encode, decode, check, translate. ActionList is what a flow carries; instructions are actions too (Kind tells).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "field/field.h"
#include "field/of_error.h"
#include "field/oxm.h"
#include "flow/flow_key.h"

namespace sluice::action {

using field::OfVersion;

/// Reserved OpenFlow port numbers (OpenFlow 1.0 numbering widened to 32 bits as OFPP_* of 1.1+).
namespace of_port {
inline constexpr std::uint32_t kMax = 0xffffff00, kUnset = 0xfffffff7, kInPort = 0xfffffff8, kTable = 0xfffffff9,
                               kNormal = 0xfffffffa, kFlood = 0xfffffffb, kAll = 0xfffffffc,
                               kController = 0xfffffffd, kLocal = 0xfffffffe, kNone = 0xffffffff;
}  // namespace of_port

class ActionList;

}  // namespace sluice::action
