// What bundle and multipath share: NX_HASH_FIELDS_* and their names (ovs-actions(7)).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sluice::action {

inline constexpr std::string_view kHashFields[] = {
    "eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp", "nw_src", "nw_dst", "symmetric_l3"};

/// The index of a name.
inline std::optional<std::uint16_t> find_name(std::span<const std::string_view> names,
                                              std::string_view name) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<std::uint16_t>(i);
  return std::nullopt;
}

}  // namespace sluice::action
