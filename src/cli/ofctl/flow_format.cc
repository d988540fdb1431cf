#include "cli/ofctl/flow_format.h"

#include <fmt/core.h>

#include "action/protocols.h"

namespace sluice::cli::ofctl {

using action::Protocols;
using openflow::OfVersion;

namespace {

constexpr Protocols::Bit kAllFormats[] = {Protocols::kOf10,       Protocols::kOf10TableId, Protocols::kNxm,
                                          Protocols::kNxmTableId, Protocols::kOf11,        Protocols::kOf12,
                                          Protocols::kOf13,       Protocols::kOf14,        Protocols::kOf15};
constexpr Protocols::Bit kDumpFormats[] = {Protocols::kOf15, Protocols::kOf14, Protocols::kOf13,
                                           Protocols::kOf12, Protocols::kOf11, Protocols::kNxm,
                                           Protocols::kOf10};

bool has_table_id(Protocols::Bit format) {
  return format == Protocols::kOf10TableId || format == Protocols::kNxmTableId;
}
bool is_nxm(Protocols::Bit format) {
  return format == Protocols::kNxm || format == Protocols::kNxmTableId;
}

tl::unexpected<Error> unsupported(Protocols usable) {
  return fail(fmt::format("switch does not support any of the usable flow formats ({})",
                          action::format_protocols(usable)));
}

}  // namespace

Protocols::Bit initial_format(OfVersion version) {
  for (const Protocols::Bit format : kAllFormats)
    if (action::version_of(format) == version) return format;
  return Protocols::kOf10;
}

Status check_usable(const Run& run, Protocols usable) {
  const Protocols allowed = run.allowed_formats();
  if (!(usable & allowed).empty()) return {};
  return fail(fmt::format("none of the usable flow formats ({}) is among the allowed flow formats ({})",
                          action::format_protocols(usable), action::format_protocols(allowed)));
}

Result<bool> set_format(Connection& connection, Protocols::Bit& current, Protocols::Bit wanted) {
  if (action::version_of(wanted) != connection.version()) return false;
  if (is_nxm(wanted) != is_nxm(current)) {
    const auto code = is_nxm(wanted) ? openflow::FlowFormat::Nxm : openflow::FlowFormat::OpenFlow10;
    SLUICE_ASSIGN(
        const auto refused,
        connection.demand(openflow::SetFlowFormat{.format_code = static_cast<std::uint32_t>(code)}));
    if (refused) return false;
    connection.dialect.nxm = is_nxm(wanted);
    current = has_table_id(current) ? (is_nxm(wanted) ? Protocols::kNxmTableId : Protocols::kOf10TableId)
                                    : (is_nxm(wanted) ? Protocols::kNxm : Protocols::kOf10);
  }
  if (has_table_id(wanted) != has_table_id(current)) {
    SLUICE_ASSIGN(const auto refused,
                  connection.demand(openflow::SetFlowModTableId{.enable = has_table_id(wanted)}));
    if (refused) return false;
    connection.dialect.table_id = has_table_id(wanted);
    current = wanted;
  }
  return true;
}

Result<Connection> open_for_flows(Run& run, const std::string& target, Protocols usable,
                                  Protocols::Bit& chosen) {
  SLUICE_TRY(check_usable(run, usable));
  const Protocols allowed = run.allowed_formats() & usable;
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  chosen = initial_format(connection.version());
  if (allowed.has(chosen)) return connection;
  for (const Protocols::Bit format : kAllFormats) {
    if (!allowed.has(format)) continue;
    SLUICE_ASSIGN(const bool set, set_format(connection, chosen, format));
    if (set) return connection;
  }
  return unsupported(usable);
}

Result<Connection> open_for_dump(Run& run, const std::string& target, Protocols usable) {
  SLUICE_TRY(check_usable(run, usable));
  const Protocols allowed = run.allowed_formats() & usable;
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  Protocols::Bit current = initial_format(connection.version());
  for (const Protocols::Bit format : kDumpFormats) {
    if (!allowed.has(format)) continue;
    SLUICE_ASSIGN(const bool set, set_format(connection, current, format));
    if (set) return connection;
  }
  return unsupported(usable);
}

}  // namespace sluice::cli::ofctl
