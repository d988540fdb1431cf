// A packet as a match that lets nothing else through, for checking the actions that it is to have.
#pragma once

#include "flow/flow_key.h"

namespace sluice::ofproto {

inline flow::Match exact_match(const flow::FlowKey& key) {
  flow::Match match;
  match.value = key;
  for (std::size_t word = 0; word < flow::kKeyWords; ++word)
    flow::set_word(match.mask.bits, word, ~std::uint64_t{0});
  return match;
}

}  // namespace sluice::ofproto
