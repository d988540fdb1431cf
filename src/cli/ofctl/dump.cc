#include "cli/ofctl/dump.h"

#include <fmt/core.h>

#include <cstdio>

#include "cli/ofctl/verbs.h"

namespace sluice::cli::ofctl {

using openflow::OfVersion;

Status dump(Run& run, Connection& connection, const std::string& target, openflow::Body request) {
  std::optional<NameMap> names;
  return connection.ask_all(std::move(request), [&](Bytes message) -> Status {
    if (!names) {
      SLUICE_ASSIGN(names, names_to_show(run, target));
    }
    print(message, run, names->names());
    return {};
  });
}

Result<int> dump(Run& run, const std::string& target, openflow::Body request) {
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  SLUICE_TRY(dump(run, connection, target, std::move(request)));
  return 0;
}

Result<bool> change(Run& run, Connection& connection, const std::string& target,
                    const std::vector<std::uint8_t>& message) {
  SLUICE_ASSIGN(const auto refused, connection.demand(message));
  if (!refused) return true;
  SLUICE_TRY(print_refusal(run, target, *refused));
  return false;
}

Status print_refusal(Run& run, const std::string& target, Bytes error) {
  SLUICE_ASSIGN(const NameMap names, names_to_show(run, target));
  std::fputs(openflow::print(error, {.verbosity = run.options.verbosity + 2, .names = names.names()}).c_str(),
             stderr);
  return {};
}

Result<bool> change(Run& run, Connection& connection, const std::string& target, openflow::Body body) {
  return change(run, connection, target, openflow::encode(connection.make(std::move(body))));
}

tl::unexpected<Error> needs_version(std::string_view verb, OfVersion version) {
  const unsigned minor = static_cast<unsigned>(version) - 1;
  return fail(fmt::format("{} needs OpenFlow 1.{} or later ('-O OpenFlow1{}')", verb, minor, minor));
}

Result<int> show(Run& run) {
  const std::string& target = run.words[0];
  {
    SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
    SLUICE_ASSIGN(const auto features, connection.ask(openflow::FeaturesRequest{}));
    print(features, run);
    if (connection.version() >= OfVersion::k13)
      SLUICE_TRY(dump(run, connection, target, openflow::PortDescRequest{}));
  }
  return dump(run, target, openflow::GetConfigRequest{});
}

Result<int> dump_desc(Run& run) {
  return dump(run, run.words[0], openflow::DescRequest{});
}

Result<int> dump_tables(Run& run) {
  return dump(run, run.words[0], openflow::TableStatsRequest{});
}

Result<int> dump_table_features(Run& run) {
  const std::string& target = run.words[0];
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  if (connection.version() < OfVersion::k13) return needs_version("dump-table-features", OfVersion::k13);
  // The parts are one list: tables that are alike are told of together across them.
  openflow::TableFeaturesReply all;
  std::optional<openflow::Message> reply;
  SLUICE_TRY(connection.ask_all(openflow::TableFeaturesRequest{}, [&](Bytes bytes) -> Status {
    if (openflow::is_error(bytes)) {
      print(bytes, run);
      return {};
    }
    auto message = openflow::decode(bytes);
    const auto* part = message ? openflow::as<openflow::TableFeaturesReply>(*message) : nullptr;
    if (part == nullptr) return fail(target + ": received bad reply");
    all.entries.insert(all.entries.end(), part->entries.begin(), part->entries.end());
    reply = std::move(*message);
    return {};
  }));
  if (!reply) return 0;
  reply->body() = std::move(all);
  const std::string text = openflow::format(*reply);
  print(std::string_view(text).substr(text.find('\n') + 1));
  print("\n");
  return 0;
}

Result<int> dump_table_desc(Run& run) {
  const std::string& target = run.words[0];
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  if (connection.version() < OfVersion::k14) return needs_version("dump-table-desc", OfVersion::k14);
  SLUICE_TRY(dump(run, connection, target, openflow::TableDescRequest{}));
  return 0;
}

Result<int> dump_ports(Run& run) {
  const std::string& target = run.words[0];
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  openflow::PortStatsRequest request;
  if (run.has(1)) {
    SLUICE_ASSIGN(request.port, find_port(run, target, run.words[1]));
  }
  SLUICE_TRY(dump(run, connection, target, std::move(request)));
  return 0;
}

Result<int> dump_ports_desc(Run& run) {
  const std::string& target = run.words[0];
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  openflow::PortDescRequest request;
  if (run.has(1)) {
    SLUICE_ASSIGN(request.port, find_port(run, target, run.words[1]));
  }
  SLUICE_TRY(dump(run, connection, target, std::move(request)));
  return 0;
}

namespace {

/// A queue by number, "all" or "any". What is no number is queue 0.
std::uint32_t parse_queue(const std::string& text) {
  if (text == "all" || text == "any" || text == "ALL" || text == "ANY") return openflow::kAllQueues;
  return static_cast<std::uint32_t>(std::strtoul(text.c_str(), nullptr, 10));
}

Result<std::uint32_t> parse_queue_port(Run& run, std::size_t word) {
  if (!run.has(word) || run.words[word] == "all" || run.words[word] == "ALL") return action::of_port::kNone;
  return find_port(run, run.words[0], run.words[word]);
}

}  // namespace

Result<int> queue_stats(Run& run) {
  const std::string& target = run.words[0];
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  openflow::QueueStatsRequest request;
  SLUICE_ASSIGN(request.port, parse_queue_port(run, 1));
  if (run.has(2)) request.queue = parse_queue(run.words[2]);
  SLUICE_TRY(dump(run, connection, target, std::move(request)));
  return 0;
}

Result<int> queue_get_config(Run& run) {
  const std::string& target = run.words[0];
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  openflow::QueueConfigRequest request;
  SLUICE_ASSIGN(request.port, parse_queue_port(run, 1));
  if (run.has(2)) request.queue = parse_queue(run.words[2]);
  if (request.port != action::of_port::kNone || connection.version() != OfVersion::k10) {
    SLUICE_TRY(dump(run, connection, target, request));
    return 0;
  }
  // OpenFlow 1.0 asks for one port at a time.
  SLUICE_ASSIGN(const auto ports, fetch_ports(run, target));
  for (const auto& port : ports) {
    if (port.number >= action::of_port::kMax) continue;
    request.port = port.number;
    SLUICE_TRY(dump(run, connection, target, request));
  }
  return 0;
}

Result<int> dump_ipfix_bridge(Run& run) {
  return dump(run, run.words[0], openflow::IpfixBridgeRequest{});
}

Result<int> dump_ipfix_flow(Run& run) {
  return dump(run, run.words[0], openflow::IpfixFlowRequest{});
}

}  // namespace sluice::cli::ofctl
