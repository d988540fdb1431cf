#include "openflow/barrier.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kRequest[] = {{"OFPT_BARRIER_REQUEST", Frame::Plain, 0, 18, k10, k10, 8, 0},
                                 {"OFPT_BARRIER_REQUEST", Frame::Plain, 0, 20, k11, k15, 8, 0}};
constexpr WireForm kReply[] = {{"OFPT_BARRIER_REPLY", Frame::Plain, 0, 19, k10, k10, 8, 0},
                               {"OFPT_BARRIER_REPLY", Frame::Plain, 0, 21, k11, k15, 8, 0}};

}  // namespace

std::span<const WireForm> BarrierRequest::wire_forms() {
  return kRequest;
}
std::span<const WireForm> BarrierReply::wire_forms() {
  return kReply;
}

}  // namespace sluice::openflow
