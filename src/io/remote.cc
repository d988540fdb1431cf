#include "io/remote.h"

#include <fmt/core.h>

#include <charconv>
#include <optional>

namespace sluice::io {
namespace {

struct Prefix {
  std::string_view text;
  Remote::Transport transport;
  bool passive;
};
constexpr Prefix kPrefixes[] = {
    {"unix:", Remote::Transport::Unix, false}, {"punix:", Remote::Transport::Unix, true},
    {"tcp:", Remote::Transport::Tcp, false},   {"ptcp:", Remote::Transport::Tcp, true},
    {"ssl:", Remote::Transport::Tls, false},   {"pssl:", Remote::Transport::Tls, true},
};

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

/// "HOST", "[V6]", cut off the front of `rest`; nothing if a bracket is not closed.
std::optional<std::string> take_host(std::string_view& rest) {
  std::string host;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
  } else {
    host = rest.substr(0, rest.find(':'));
    rest.remove_prefix(host.size());
  }
  return host;
}

/// "HOST[:PORT]"
Status parse_active(std::string_view rest, std::uint16_t default_port, Remote& remote) {
  const auto expected = [&] {
    return fail(fmt::format("\"{}\": expected HOST[:PORT], IPv6 addresses in square brackets", remote.text));
  };
  auto host = take_host(rest);
  if (!host || host->empty()) return expected();
  remote.host = std::move(*host);
  remote.port = default_port;
  if (rest.empty()) return {};
  const auto port = rest.starts_with(':') ? parse_port(rest.substr(1)) : std::nullopt;
  if (!port || *port == 0) return expected();
  remote.port = *port;
  return {};
}

/// "[PORT][:HOST]"
Status parse_passive(std::string_view rest, std::uint16_t default_port, Remote& remote) {
  const auto expected = [&] {
    return fail(
        fmt::format("\"{}\": expected [PORT][:HOST], IPv6 addresses in square brackets", remote.text));
  };
  const auto digits = rest.substr(0, rest.find(':'));
  remote.port = default_port;
  if (!digits.empty()) {
    const auto port = parse_port(digits);
    if (!port) return expected();
    remote.port = *port;
  }
  rest.remove_prefix(digits.size());
  if (rest.empty()) return {};
  rest.remove_prefix(1);
  auto host = take_host(rest);
  if (!host || host->empty() || !rest.empty()) return expected();
  remote.host = std::move(*host);
  return {};
}

}  // namespace

Result<Remote> parse_remote(std::string_view text, std::string_view folder, std::uint16_t default_port) {
  for (const auto& prefix : kPrefixes) {
    if (!text.starts_with(prefix.text)) continue;
    Remote remote;
    remote.transport = prefix.transport;
    remote.passive = prefix.passive;
    remote.text = text;
    const auto rest = text.substr(prefix.text.size());
    if (prefix.transport != Remote::Transport::Unix) {
      SLUICE_TRY(prefix.passive ? parse_passive(rest, default_port, remote)
                                : parse_active(rest, default_port, remote));
      return remote;
    }
    if (rest.empty()) return fail(fmt::format("\"{}\": expected a path", text));
    remote.path =
        folder.empty() || rest.starts_with('/') ? std::string(rest) : fmt::format("{}/{}", folder, rest);
    return remote;
  }
  return fail(
      fmt::format("\"{}\": expected unix:PATH, tcp:HOST[:PORT] or ssl:HOST[:PORT] to connect to, or "
                  "punix:PATH, ptcp:[PORT][:HOST] or pssl:[PORT][:HOST] to listen on",
                  text));
}

}  // namespace sluice::io
