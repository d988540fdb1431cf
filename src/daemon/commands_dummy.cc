// Hooks for tests, with --enable-dummy: frames into dummy ports, and time that stands still or leaps.
// Formats: what ovs-vswitchd prints.
#include <fmt/core.h>

#include <charconv>
#include <cstdlib>
#include <set>

#include "daemon/commands.h"
#include "daemon/sliced_work.h"
#include "flow/compose.h"
#include "io/clock.h"
#include "io/event_loop.h"
#include "net/protocol.h"
#include "ofproto/odp_flow.h"
#include "port/dummy/dummy_port.h"
#include "tunnel/route_table.h"

namespace sluice::daemon {

namespace {

using unixctl::Args;
using Frame = std::vector<std::uint8_t>;

constexpr std::size_t kHeaderBytes = 14;  // Ethernet

port::DummyPort* find_dummy(bridge::Switch& device, std::string_view name) {
  auto& datapath = device.datapath();
  const auto number = datapath.port_number(name);
  return number ? dynamic_cast<port::DummyPort*>(datapath.device(*number)) : nullptr;
}

/// The number that a text begins with, as ovs-vswitchd reads numbers here; 0 if there is none.
std::int64_t leading_number(const std::string& text) {
  return std::strtoll(text.c_str(), nullptr, 10);
}

/// Bytes in hexadecimal, an Ethernet header or more.
std::optional<Frame> parse_hex(std::string_view text) {
  Frame frame;
  for (std::size_t i = 0; i + 2 <= text.size(); i += 2) {
    std::uint8_t byte = 0;
    const char* end = text.data() + i + 2;
    if (const auto parsed = std::from_chars(text.data() + i, end, byte, 16);
        parsed.ec != std::errc{} || parsed.ptr != end)
      return std::nullopt;
    frame.push_back(byte);
  }
  return text.size() % 2 == 0 && frame.size() >= kHeaderBytes ? std::optional(std::move(frame))
                                                              : std::nullopt;
}

/// A frame of the flow with 64 bytes behind a transport header, or of a given length.
Frame compose(const flow::FlowKey& key, std::optional<unsigned> length) {
  constexpr std::size_t kPayloadBytes = 64;
  const Frame bare = flow::compose(key);
  const bool has_payload = flow::compose(key, Frame(1)).size() > bare.size() && key.nw_proto != 0;
  std::size_t payload = has_payload ? kPayloadBytes : 0;
  if (length && has_payload) payload = *length > bare.size() ? *length - bare.size() : 0;
  Frame frame = flow::compose(key, Frame(payload));
  if (key.eth_type.host() == 0) frame.resize(kHeaderBytes);  // nothing is known of what follows
  if (length) frame.resize(*length);
  return frame;
}

Result<std::string> receive(bridge::Switch& device, Args args) {
  port::DummyPort* port = find_dummy(device, args[0]);
  if (port == nullptr) return fail("no such dummy netdev");
  std::size_t at = 1;
  if (args.size() > 2 && args[1] == "--qid") {
    const auto queue = leading_number(args[2]);
    if (queue < 0 || queue >= port->receive_queues()) return fail("bad rx queue id.");
    at = 3;
  }
  for (; at < args.size(); ++at) {
    auto frame = parse_hex(args[at]);
    if (!frame) {
      const auto key = ofproto::parse_odp_flow(args[at], &device.datapath().port_names());
      if (!key) return fail("syntax error at " + args[at]);
      std::optional<unsigned> length;
      if (at + 2 < args.size() && args[at + 1] == "--len") {
        const auto wanted = leading_number(args[at + 2]);
        if (wanted < static_cast<std::int64_t>(kHeaderBytes)) return fail("too small packet len");
        if (wanted > packet::PacketPool::kLargeBytes) return fail("too large packet len");
        length = static_cast<unsigned>(wanted);
        at += 2;
      }
      frame = compose(*key, length);
    }
    port->inject(*frame);
  }
  // Who asks for counters next finds these frames in them: a worker takes frames between two calls of main.
  constexpr unsigned kMostRounds = 1000;
  for (unsigned round = 0; round < kMostRounds && port->received_waiting() > 0; ++round) device.push_stats();
  device.push_stats();
  return "";
}

Result<std::string> set_admin_state(bridge::Switch& device, Args args) {
  const std::string& state = args.back();
  if (state != "up" && state != "down") return fail("Invalid Admin State");
  std::set<std::string> changed;
  const auto set = [&](const std::string& name) {
    port::DummyPort* port = find_dummy(device, name);
    if (port == nullptr) return false;
    port->set_link(state == "up");
    changed.insert(name);
    return true;
  };
  if (args.size() == 1)
    for (const auto& port : device.datapath().ports()) set(port.name);
  else if (!set(args[0]))
    return fail("Unknown Dummy Interface");
  device.refresh_ports(changed);
  return "OK";
}

/// Of the port that is named, or of all that connect of themselves.
std::string connection_states(bridge::Switch& device, Args args) {
  const auto state_of = [&](const std::string& name) {
    const auto* port = find_dummy(device, name);
    return port && port->wire() ? port->wire()->connected() : std::nullopt;
  };
  const auto line = [](const std::string& name, std::optional<bool> connected) {
    return fmt::format("{}: {}\n", name, !connected ? "unknown" : *connected ? "connected" : "disconnected");
  };
  if (!args.empty()) return line(args[0], state_of(args[0]));
  std::string text;
  for (const auto& port : device.datapath().ports())
    if (const auto connected = state_of(port.name)) text += line(port.name, connected);
  return text;
}

/// netdev-dummy/ip4addr and ip6addr.
Result<std::string> add_address(bridge::Switch& device, Args args, bool is_ipv4) {
  port::DummyPort* port = find_dummy(device, args[0]);
  if (port == nullptr) return fail("Unknown Dummy Interface");
  const auto network = tunnel::parse_network(args[1]);
  const auto address = tunnel::parse_address(args[1].substr(0, args[1].find('/')));
  if (!network || !address || net::is_v4_mapped(*address) != is_ipv4)
    return fail(fmt::format("{}: invalid {} address", args[1], is_ipv4 ? "IP" : "IPv6"));
  port->add_address({*address, network->prefix_length});
  return "OK";
}

/// Moves time on in steps, so that what happens at one moment is done before the next: the loop runs the
/// timers that a step made due before it comes to the next step, or to the answer.
class Warp final : public SlicedWork::Job {
 public:
  Warp(io::WarpClock& clock, io::EventLoop& loop, bridge::Switch& device, std::int64_t total_ms,
       std::int64_t step_ms, unixctl::Reply reply)
      : clock_(clock),
        loop_(loop),
        device_(device),
        left_ms_(total_ms),
        step_ms_(step_ms),
        reply_(std::move(reply)) {}

  bool step() override {
    if (left_ms_ == 0) {
      reply_(std::string("warped"));
      return false;
    }
    const std::int64_t by = std::min(left_ms_, step_ms_);
    clock_.warp(Duration::milliseconds(by));
    loop_.leap(Duration::milliseconds(by));
    device_.run();
    left_ms_ -= by;
    return true;
  }

 private:
  io::WarpClock& clock_;
  io::EventLoop& loop_;
  bridge::Switch& device_;
  std::int64_t left_ms_, step_ms_;
  unixctl::Reply reply_;
};

}  // namespace

void add_dummy_commands(unixctl::CommandRegistry& commands, bridge::Switch& device) {
  commands.add("netdev-dummy/receive", "name [--qid queue_id] packet|flow [--len packet_len]", 2,
               unixctl::CommandRegistry::kAnyArgs, [&device](Args args) { return receive(device, args); });
  commands.add("netdev-dummy/set-admin-state", "[netdev] up|down", 1, 2,
               [&device](Args args) { return set_admin_state(device, args); });
  commands.add("netdev-dummy/conn-state", "[netdev]", 0, 1,
               [&device](Args args) -> Result<std::string> { return connection_states(device, args); });
  commands.add("netdev-dummy/ip4addr", "[netdev] ipaddr/mask-prefix-len", 2, 2,
               [&device](Args args) { return add_address(device, args, true); });
  commands.add("netdev-dummy/ip6addr", "[netdev] ip6addr", 2, 2,
               [&device](Args args) { return add_address(device, args, false); });
}

void add_time_commands(unixctl::CommandRegistry& commands, io::WarpClock& clock, io::EventLoop& loop,
                       bridge::Switch& device, SlicedWork& work) {
  commands.add("time/stop", "", 0, 0, [&clock](Args) -> Result<std::string> {
    clock.stop();
    return "";
  });
  commands.add_deferred("time/warp", "[large_msecs] msecs", 1, 2,
                        [&clock, &loop, &device, &work](Args args, unixctl::Reply reply) {
                          const auto step = leading_number(args.back());
                          const auto total = args.size() > 1 ? leading_number(args.front()) : 0;
                          if (total < 0 || step <= 0) return reply(fail("invalid MSECS"));
                          work.start(std::make_unique<Warp>(clock, loop, device, total != 0 ? total : step,
                                                            step, std::move(reply)));
                        });
}

}  // namespace sluice::daemon
