// Hashes of a packet's fields with which bundle, multipath and select groups spread packets. Which fields a
// hash looks at is Open vSwitch's (ovs-actions(7)), the function is our own.
#pragma once

#include <cstdint>
#include <span>

#include "action/group_spec.h"
#include "flow/flow_key.h"

namespace sluice::pipeline {

/// NX_HASH_FIELDS_* as action::kHashFields names them.
enum class HashFields : std::uint8_t {
  EthSrc,
  SymmetricL4,
  SymmetricL3L4,
  SymmetricL3L4Udp,
  NwSrc,
  NwDst,
  SymmetricL3
};

/// Symmetric ones give both directions the same hash. What was looked at is un-wildcarded.
std::uint32_t hash_packet(const flow::FlowKey& key, HashFields fields, std::uint32_t basis, flow::Mask& mask);
/// Of those of the fields that the packet has, each under its mask.
std::uint32_t hash_packet(const flow::FlowKey& key, std::span<const action::SelectionField> fields,
                          std::uint64_t basis, flow::Mask& mask);
/// A well-mixed number of a hash and something else: for weights of candidates.
std::uint32_t hash_pair(std::uint32_t hash, std::uint32_t other);

}  // namespace sluice::pipeline
