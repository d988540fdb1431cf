// How the connection table's answers name one end of a connection, for people.
#pragma once

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <string>

namespace sluice::cli {

/// "10.0.0.1:80", "[fd00::1]:80"; "10.0.0.1" where the tuple has no such port.
inline std::string tuple_end(const nlohmann::ordered_json& tuple, const char* address, const char* port) {
  std::string text = tuple[address];
  if (!tuple.contains(port)) return text;
  return text.find(':') != std::string::npos ? fmt::format("[{}]:{}", text, tuple[port].get<unsigned>())
                                             : fmt::format("{}:{}", text, tuple[port].get<unsigned>());
}

}  // namespace sluice::cli
