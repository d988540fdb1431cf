// sluice ct reasons, sluice ct events: what the tracker has to tell of itself.
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/ct_tuple.h"
#include "cli/table.h"
#include "io/stream.h"

namespace sluice::cli {

namespace {

using Json = nlohmann::ordered_json;

/// "16:05:09.123", local time.
std::string clock_text(double unix_seconds) {
  const auto ms = static_cast<std::int64_t>(unix_seconds * 1000);
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char text[16];
  std::strftime(text, sizeof text, "%H:%M:%S", &local);
  return fmt::format("{}.{:03}", text, ms % 1000);
}

std::string tuple_text(const Json& tuple) {
  auto text = tuple_end(tuple, "src", "sport") + " > " + tuple_end(tuple, "dst", "dport");
  if (tuple.contains("type"))
    text += fmt::format(" type {} id {}", tuple["type"].get<unsigned>(), tuple["id"].get<unsigned>());
  return text;
}

/// A packet in a line: "tcp 10.0.0.1:5 > 10.0.0.2:80 SA seq 7 ack 9, 74 bytes".
std::string packet_text(const Json& sample) {
  if (!sample.contains("protocol")) return fmt::format("not IP, {} bytes", sample["bytes"].get<unsigned>());
  auto text = sample["protocol"].get<std::string>() + " " + tuple_text(sample);
  if (sample.contains("tcp_flags"))
    text += fmt::format(" {} seq {} ack {}", sample["tcp_flags"].get<std::string>(),
                        sample["seq"].get<std::uint32_t>(), sample["ack"].get<std::uint32_t>());
  return text + fmt::format(", {} bytes", sample["bytes"].get<unsigned>());
}

std::string event_text(const Json& event) {
  const std::string kind = event["event"];
  if (kind == "lost")
    return fmt::format("{} event{} lost: read too slowly", event["count"].get<std::uint64_t>(),
                       event["count"].get<std::uint64_t>() == 1 ? "" : "s");
  auto text = fmt::format("{} {:<7} {} {}", clock_text(event["time"]), kind,
                          event["protocol"].get<std::string>(), tuple_text(event["original"]));
  if (event["zone"] != 0) text += fmt::format(" zone {}", event["zone"].get<unsigned>());
  if (event["mark"] != 0) text += fmt::format(" mark 0x{:x}", event["mark"].get<std::uint32_t>());
  if (event.contains("state")) text += " " + event["state"].get<std::string>();
  if (kind == "destroy")
    text += fmt::format(" {}, packets {}/{} bytes {}/{}, {}", event["why"].get<std::string>(),
                        event["packets"][0].get<std::uint64_t>(), event["packets"][1].get<std::uint64_t>(),
                        event["bytes"][0].get<std::uint64_t>(), event["bytes"][1].get<std::uint64_t>(),
                        human_seconds(event["age_s"]));
  return text;
}

}  // namespace

int ct_reasons(const Common& common, const CtArguments& arguments) {
  std::vector<std::string> words = arguments.words;
  if (!arguments.zone.empty()) words.insert(words.begin(), "zone=" + arguments.zone);
  const auto text = ask(common, "sluice/ct-reasons", words);
  if (!text) return complain(text.error());
  if (common.json) return print(*text);
  const Json report = Json::parse(*text, nullptr, false);
  if (report.is_discarded()) return complain("the daemon's answer is no JSON");
  if (arguments.recent) {
    Table table({{"TIME"}, {"ZONE", Align::Right}, {"REASON"}, {"VERDICT"}, {"PACKET"}});
    for (const auto& sample : report["recent"])
      table.add({clock_text(sample["time"]), std::to_string(sample["zone"].get<unsigned>()), sample["reason"],
                 sample["verdict"], packet_text(sample)});
    return print(table.rows() == 0 ? "every packet was fine" : table.text());
  }
  Table table({{"ZONE", Align::Right}, {"REASON"}, {"PACKETS", Align::Right}, {"LAST"}, {"LAST PACKET"}});
  for (const auto& row : report["reasons"]) {
    const Json& last = row["last"];
    table.add({std::to_string(row["zone"].get<unsigned>()), row["reason"],
               std::to_string(row["packets"].get<std::uint64_t>()),
               last.is_null() ? "" : clock_text(last["time"]), last.is_null() ? "" : packet_text(last)});
  }
  for (const auto& [reason, packets] : report["other_zones"].items())
    table.add({"others", reason, std::to_string(packets.get<std::uint64_t>()), "", ""});
  return print(table.rows() == 0 ? "every packet was fine" : table.text());
}

int ct_events(const Common& common, const CtArguments& arguments) {
  const auto path = ask(common, "sluice/ct-events-socket");
  if (!path) return complain(path.error());
  std::string request;
  const auto add = [&request](const char* key, const std::string& value) {
    if (!value.empty()) request += std::string(key) + "=" + value + " ";
  };
  add("zone", arguments.zone);
  add("mark", arguments.mark);
  add("label", arguments.label);
  add("cookie", arguments.cookie);
  for (const auto& word : arguments.words) request += word + " ";
  request += "\n";
  const auto socket = io::connect_unix(path->substr(0, path->find('\n')));
  if (!socket) return complain(socket.error());
  if (::write(socket->get(), request.data(), request.size()) != static_cast<ssize_t>(request.size()))
    return complain(fmt::format("the daemon can't be told what to send: {}", std::strerror(errno)));

  std::string pending;
  unsigned shown = 0;
  char bytes[65536];
  for (;;) {
    const ssize_t got = ::read(socket->get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return complain("the daemon has gone");
    pending.append(bytes, static_cast<std::size_t>(got));
    std::size_t start = 0;
    for (std::size_t end; (end = pending.find('\n', start)) != std::string::npos; start = end + 1) {
      const std::string line = pending.substr(start, end - start);
      const Json event = Json::parse(line, nullptr, false);
      if (event.is_discarded() || !event.contains("event"))
        return complain("the daemon's answer is no event");
      if (event["event"] == "error") return complain(event["message"].get<std::string>());
      if (event["event"] == "listening") {
        if (common.json && print(line) != kOk) return kFailed;
        continue;
      }
      if (print(common.json ? line : event_text(event)) != kOk) return kFailed;
      if (arguments.count != 0 && ++shown == arguments.count) return kOk;
    }
    pending.erase(0, start);
  }
}

}  // namespace sluice::cli
