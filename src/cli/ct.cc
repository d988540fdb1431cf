// sluice ct: the connection table of a running daemon, fetched a page at a time.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/ct_tuple.h"
#include "cli/table.h"

namespace sluice::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPage = "4096";

std::string both_ends(const Json& tuple) {
  auto text = tuple_end(tuple, "src", "sport") + " > " + tuple_end(tuple, "dst", "dport");
  if (tuple.contains("id"))
    text += fmt::format(" type {} id {}", tuple["type"].get<unsigned>(), tuple["id"].get<unsigned>());
  return text;
}

void add_row(Table& table, const Json& connection, bool more) {
  const auto& packets = connection["packets"];
  const auto& bytes = connection["bytes"];
  std::vector<std::string> cells = {
      connection["protocol"],
      std::to_string(connection["zone"].get<unsigned>()),
      both_ends(connection["original"]),
      connection.contains("state") ? connection["state"].get<std::string>()
                                   : (connection["seen_reply"].get<bool>() ? "replied" : "unreplied"),
      fmt::format("0x{:x}", connection["mark"].get<std::uint32_t>()),
      connection["label"],
      human_count(packets[0].get<std::uint64_t>()) + "/" + human_count(packets[1].get<std::uint64_t>()),
      human_bytes(bytes[0].get<std::uint64_t>()) + "/" + human_bytes(bytes[1].get<std::uint64_t>()),
      human_seconds(connection["age_s"]),
      human_seconds(connection["expires_s"])};
  if (more)
    cells.insert(cells.end(), {std::to_string(connection["id"].get<std::uint64_t>()),
                               fmt::format("0x{:x}", connection["cookie"].get<std::uint64_t>())});
  table.add(cells);
}

/// The filter in the words of the control socket.
std::vector<std::string> filter_words(const CtArguments& arguments) {
  std::vector<std::string> words;
  const auto add = [&words](const char* key, const std::string& value) {
    if (!value.empty()) words.push_back(std::string(key) + "=" + value);
  };
  add("zone", arguments.zone);
  add("mark", arguments.mark);
  add("label", arguments.label);
  add("cookie", arguments.cookie);
  words.insert(words.end(), arguments.words.begin(), arguments.words.end());
  return words;
}

/// Hands every page to `visit`, which returns false to stop.
template <typename Visit>
Status for_each_connection(const Common& common, const std::vector<std::string>& filter, Visit visit) {
  std::string cursor = "0";
  for (;;) {
    std::vector<std::string> args = {cursor, kPage};
    args.insert(args.end(), filter.begin(), filter.end());
    SLUICE_ASSIGN(const auto text, ask(common, "sluice/conntrack", args));
    const Json page = Json::parse(text, nullptr, false);
    if (page.is_discarded()) return fail("the daemon's answer is no JSON");
    for (const auto& connection : page["connections"]) visit(connection);
    if (page["next"].is_null()) return {};
    cursor = std::to_string(page["next"].get<std::uint64_t>());
  }
}

}  // namespace

int ct_list(const Common& common, const CtArguments& arguments) {
  if (arguments.raw) {
    auto words = filter_words(arguments);
    if (arguments.more) words.insert(words.begin(), {"-m", "-s"});
    const auto text = ask(common, "dpctl/dump-conntrack", words);
    return text ? print(*text) : complain(text.error());
  }
  if (common.json) {
    std::string text = "[";
    const auto status = for_each_connection(common, filter_words(arguments), [&](const Json& connection) {
      text += (text.size() > 1 ? ",\n" : "\n") + connection.dump();
    });
    return status ? print(text + "\n]") : complain(status.error());
  }
  std::vector<Table::Column> columns = {{"PROTO"},
                                        {"ZONE", Align::Right},
                                        {"CONNECTION"},
                                        {"STATE"},
                                        {"MARK"},
                                        {"LABEL"},
                                        {"PACKETS", Align::Right},
                                        {"BYTES", Align::Right},
                                        {"AGE", Align::Right},
                                        {"EXPIRES", Align::Right}};
  if (arguments.more) columns.insert(columns.end(), {{"ID", Align::Right}, {"COOKIE"}});
  Table table(columns);
  const auto status = for_each_connection(common, filter_words(arguments), [&](const Json& connection) {
    add_row(table, connection, arguments.more);
  });
  if (!status) return complain(status.error());
  if (table.rows() == 0) return print("no connections");
  return print(table.text());
}

int ct_expectations(const Common& common, const CtArguments& arguments) {
  const auto text = ask(common, "sluice/ct-expectations", arguments.words);
  if (!text) return complain(text.error());
  if (common.json) return print(*text);
  const Json rows = Json::parse(*text, nullptr, false);
  if (rows.is_discarded()) return complain(Error{"the daemon's answer is no JSON"});
  if (rows.empty()) return print("nothing is expected");
  Table table({{"PROTO"},
               {"ZONE", Align::Right},
               {"EXPECTED"},
               {"PARENT"},
               {"HELPER"},
               {"MARK"},
               {"EXPIRES", Align::Right}});
  for (const Json& row : rows)
    table.add({row["protocol"], std::to_string(row["zone"].get<unsigned>()), both_ends(row["expected"]),
               both_ends(row["parent"]), row["helper"],
               fmt::format("0x{:x}", row["mark"].get<std::uint32_t>()), human_seconds(row["expires_s"])});
  return print(table.text());
}

int ct_flush(const Common& common, const CtArguments& arguments) {
  const auto words = filter_words(arguments);
  // Everything, or a zone, goes at once however much it is.
  const bool whole = words.empty() || (words.size() == 1 && words[0].starts_with("zone="));
  if (whole) {
    const auto text = ask(common, "dpctl/flush-conntrack", words);
    if (!text) return complain(text.error());
    return common.json ? print("{}") : kOk;
  }
  const auto text = ask(common, "sluice/ct-flush", words);
  if (!text) return complain(text.error());
  if (common.json) return print(*text);
  const Json answer = Json::parse(*text, nullptr, false);
  if (answer.is_discarded()) return complain("the daemon's answer is no JSON");
  const auto flushed = answer["flushed"].get<std::uint64_t>();
  return print(fmt::format("{} connection{} forgotten", flushed, flushed == 1 ? "" : "s"));
}

int ct_zones(const Common& common, const CtArguments&) {
  const auto text = ask(common, "sluice/ct-zones");
  if (!text) return complain(text.error());
  if (common.json) return print(*text);
  const Json zones = Json::parse(*text, nullptr, false);
  if (zones.is_discarded()) return complain("the daemon's answer is no JSON");
  Table table({{"ZONE", Align::Right},
               {"CONNECTIONS", Align::Right},
               {"LIMIT", Align::Right},
               {"LIBERAL"},
               {"LOOSE"},
               {"SEQ-CHECK"},
               {"TIMEOUTS"}});
  const auto on = [](const Json& value) { return value.get<bool>() ? "on" : "off"; };
  for (const auto& zone : zones)
    table.add({std::to_string(zone["zone"].get<unsigned>()),
               std::to_string(zone["connections"].get<unsigned>()),
               zone["limit"].is_null() ? "default" : std::to_string(zone["limit"].get<unsigned>()),
               on(zone["liberal"]), on(zone["loose"]), zone["seq-check"],
               zone["timeouts"].empty() ? "default" : "own"});
  if (table.rows() == 0) return print("no zone has connections or settings of its own");
  return print(table.text());
}

int ct_set_zone(const Common& common, const CtArguments& arguments) {
  const auto text = ask(common, "sluice/ct-set-zone", arguments.words);
  if (!text) return complain(text.error());
  return common.json ? print(*text) : kOk;
}

int ct_stats(const Common& common, const CtArguments& arguments) {
  auto words = arguments.words;
  if (!common.json) {
    words.insert(words.begin(), "-m");
    const auto text = ask(common, "dpctl/ct-stats-show", words);
    return text ? print(*text) : complain(text.error());
  }
  std::uint64_t total = 0;
  std::map<std::string, std::uint64_t> protocols, states;
  const auto status = for_each_connection(common, arguments.words, [&](const Json& connection) {
    ++total;
    ++protocols[connection["protocol"]];
    if (connection.contains("state")) ++states[connection["state"]];
  });
  if (!status) return complain(status.error());
  return print(Json{{"total", total}, {"protocols", protocols}, {"tcp_states", states}}.dump());
}

int ct_limits(const Common& common, const CtArguments&) {
  const auto text = ask(common, "dpctl/ct-get-limits");
  if (!text) return complain(text.error());
  Json zones = Json::array();
  unsigned default_limit = 0;
  Table table({{"ZONE"}, {"LIMIT", Align::Right}, {"CONNECTIONS", Align::Right}});
  std::size_t start = 0;
  while (start < text->size()) {
    const auto end = std::min(text->find('\n', start), text->size());
    const std::string line = text->substr(start, end - start);
    start = end + 1;
    unsigned zone, limit, count;
    if (std::sscanf(line.c_str(), "default limit=%u", &default_limit) == 1) {
      table.add({"default", default_limit ? std::to_string(default_limit) : "unlimited", ""});
    } else if (std::sscanf(line.c_str(), "zone=%u,limit=%u,count=%u", &zone, &limit, &count) == 3) {
      zones.push_back({{"zone", zone}, {"limit", limit}, {"count", count}});
      table.add({std::to_string(zone), std::to_string(limit), std::to_string(count)});
    }
  }
  if (common.json) return print(Json{{"default", default_limit}, {"zones", zones}}.dump());
  return print(table.text());
}

int ct_set_limits(const Common& common, const CtArguments& arguments) {
  const auto text = ask(common, "dpctl/ct-set-limits", arguments.words);
  return text ? kOk : complain(text.error());
}

int ct_del_limits(const Common& common, const CtArguments& arguments) {
  const auto text = ask(common, "dpctl/ct-del-limits", arguments.words);
  return text ? kOk : complain(text.error());
}

}  // namespace sluice::cli
