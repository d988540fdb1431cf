#include "cli/ofctl/plumbing.h"

#include <fmt/core.h>

#include <ctime>
#include <map>

#include "action/codec.h"
#include "action/flow_spec.h"
#include "cli/commands.h"
#include "cli/ofctl/files.h"
#include "cli/ofctl/flow_messages.h"
#include "openflow/all_messages.h"
#include "port/pcap/capture_file.h"

namespace sluice::cli::ofctl {

namespace {

/// Flows as they would travel in the best format that is allowed.
Result<std::string> parse_flow_text(Run& run, const std::vector<action::FlowSpec>& flows) {
  auto text = action::format_parsed_flows(flows, run.allowed_formats());
  if (!text) print("usable protocols: " + action::format_protocols(action::common_protocols(flows)) + "\n");
  return text;
}

Result<std::string> parse_flow_file(Run& run) {
  SLUICE_ASSIGN(const std::string text, read_file(run.words[0], "open failed"));
  std::vector<action::FlowSpec> flows;
  action::FlowLines lines(text, action::FlowCommand::Add, false);
  while (const auto line = lines.next()) {
    auto flow = parse_flow(run, line->text, line->command, {});
    if (!flow) return fail(fmt::format("{}:{}: {}", run.words[0], line->number, flow.error().message));
    flows.push_back(std::move(*flow));
  }
  return parse_flow_text(run, flows);
}

Result<std::string> run_verb(Run& run, const std::string& verb) {
  if (verb == "parse-flow") {
    SLUICE_ASSIGN(auto flow, parse_flow(run, run.words[0], action::FlowCommand::Add, {}));
    return parse_flow_text(run, {std::move(flow)});
  }
  if (verb == "parse-flows") return parse_flow_file(run);
  if (verb == "ofp-parse") {
    SLUICE_ASSIGN(const std::string stream, read_file(run.words[0], "open"));
    bool unfinished = false;
    SLUICE_ASSIGN(std::string text, format_stream(stream, run.options.verbosity + 2, unfinished));
    if (!unfinished) return text;
    print(text);
    return fail(fmt::format("{}: unexpected end of file mid-message", run.words[0]));
  }
  if (verb.starts_with("parse-") && verb != "parse-group" && !verb.starts_with("parse-ofp"))
    return parse_text({.verb = verb, .words = run.words, .strict = run.options.strict});
  OfpArguments arguments{.verb = verb, .words = run.words};
  if (const auto version = openflow::highest_version(run.options.versions))
    arguments.version = fmt::format("OpenFlow1{}", static_cast<unsigned>(*version) - 1);
  return ofp_text(arguments);
}

}  // namespace

Result<int> run_plumbing(Run& run, const char* verb) {
  SLUICE_ASSIGN(const std::string text, run_verb(run, verb));
  print(text);
  if (!text.empty() && text.back() != '\n') print("\n");
  return 0;
}

namespace {

/// Calls visit(frame) for each frame of a capture.
template <typename Visit>
Status each_frame(Run& run, const std::string& file, Visit visit) {
  auto reader = port::CaptureReader::open(file);
  if (!reader) {
    SLUICE_TRY(read_file(file, "open failed").map([](const std::string&) {}).map_error([&](Error error) {
      const std::string& why = error.message;
      run.log.logger("pcap").warn("{}: failed to open pcap file for reading {}", file,
                                  why.substr(why.rfind('(')));
      return error;
    }));
    return tl::unexpected<Error>(std::move(reader).error());
  }
  for (;;) {
    SLUICE_ASSIGN(const auto frame, reader->next());
    if (!frame) return {};
    SLUICE_TRY(visit(*frame));
  }
}

/// The bytes of one direction of a TCP connection, in order; what is out of order waits.
class TcpStream {
 public:
  void add(std::uint32_t sequence, Bytes payload, bool begins);
  openflow::Splitter messages;

 private:
  bool started_ = false;
  std::uint32_t next_ = 0;
  std::map<std::uint32_t, std::vector<std::uint8_t>>
      waiting_;  ///< by distance would wrap: captures are short
};

void TcpStream::add(std::uint32_t sequence, Bytes payload, bool begins) {
  if (begins) ++sequence;
  if (begins || !started_) {
    next_ = sequence;
    started_ = true;
  }
  if (!payload.empty()) waiting_[sequence].assign(payload.begin(), payload.end());
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const auto ahead = static_cast<std::int32_t>(it->first - next_);
    if (ahead > 0) {
      ++it;
      continue;
    }
    const std::size_t known = static_cast<std::size_t>(-static_cast<std::int64_t>(ahead));
    if (known < it->second.size()) {
      messages.append(Bytes(it->second).subspan(known));
      next_ += static_cast<std::uint32_t>(it->second.size() - known);
    }
    it = waiting_.erase(it);
  }
}

std::uint16_t u16_at(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
std::uint32_t u32_at(Bytes bytes, std::size_t at) {
  return static_cast<std::uint32_t>(u16_at(bytes, at)) << 16 | u16_at(bytes, at + 2);
}

/// Where a TCP segment over IPv4 comes from and goes to, and what it carries.
struct Segment {
  std::string from, to;
  std::uint16_t source = 0, destination = 0;
  std::uint32_t sequence = 0;
  bool begins = false;
  Bytes payload;
};

std::optional<Segment> find_segment(Bytes frame) {
  constexpr std::size_t kEthernet = 14, kLeastIp = 20, kLeastTcp = 20;
  if (frame.size() < kEthernet + kLeastIp + kLeastTcp || u16_at(frame, 12) != 0x0800) return std::nullopt;
  const Bytes ip = frame.subspan(kEthernet);
  const std::size_t header = (ip[0] & 0xfu) * 4u, total = u16_at(ip, 2);
  if (ip[9] != 6 || header < kLeastIp || total > ip.size() || total < header + kLeastTcp) return std::nullopt;
  const Bytes tcp = ip.first(total).subspan(header);
  const std::size_t offset = (tcp[12] >> 4) * 4u;
  if (offset < kLeastTcp || offset > tcp.size()) return std::nullopt;
  const auto address = [&](std::size_t at) {
    return fmt::format("{}.{}.{}.{}", ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
  };
  Segment segment{.source = u16_at(tcp, 0), .destination = u16_at(tcp, 2)};
  segment.from = fmt::format("{}.{}", address(12), segment.source);
  segment.to = fmt::format("{}.{}", address(16), segment.destination);
  segment.sequence = u32_at(tcp, 4);
  segment.begins = (tcp[13] & 2) != 0;
  segment.payload = tcp.subspan(offset);
  return segment;
}

}  // namespace

Result<int> ofp_parse_pcap(Run& run) {
  std::vector<std::uint16_t> ports;
  for (std::size_t i = 1; i < run.words.size(); ++i)
    ports.push_back(static_cast<std::uint16_t>(std::strtoul(run.words[i].c_str(), nullptr, 10)));
  if (ports.empty()) ports = {6633, 6653};
  const auto known = [&](std::uint16_t port) {
    return std::find(ports.begin(), ports.end(), port) != ports.end();
  };
  std::map<std::pair<std::string, std::string>, TcpStream> streams;
  SLUICE_TRY(each_frame(run, run.words[0], [&](const port::CaptureReader::Frame& frame) -> Status {
    const auto segment = find_segment(frame.bytes);
    if (!segment || (!known(segment->source) && !known(segment->destination))) return {};
    TcpStream& stream = streams[{segment->from, segment->to}];
    stream.add(segment->sequence, segment->payload, segment->begins);
    for (;;) {
      const auto message = stream.messages.next();
      if (!message || !*message) return {};
      if (run.options.timestamp) {
        const std::time_t seconds = frame.time_ns / 1'000'000'000;
        std::tm utc{};
        gmtime_r(&seconds, &utc);
        char text[32];
        std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc);
        print(fmt::format("{}.{:03}: ", text, frame.time_ns / 1'000'000 % 1000));
      }
      print(fmt::format("{} > {}:\n", segment->from, segment->to));
      print(**message, run);
    }
  }));
  return 0;
}

Result<int> parse_pcap(Run& run) {
  for (const std::string& file : run.words)
    SLUICE_TRY(each_frame(run, file, [&](const port::CaptureReader::Frame& frame) -> Status {
      print(openflow::describe_packet(frame.bytes));
      return {};
    }));
  return 0;
}

Result<int> parse_key_value(Run& run) {
  for (const std::string& text : run.words) {
    std::string_view rest = text;
    std::string line;
    while (const auto word = action::next_word(rest)) {
      if (!line.empty()) line += ", ";
      line += word->name;
      if (!word->argument.empty()) line += fmt::format("={}", word->argument);
    }
    print(line + "\n");
  }
  return 0;
}

}  // namespace sluice::cli::ofctl
