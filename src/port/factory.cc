#include "port/factory.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <system_error>
#include <thread>

#include "port/af_packet/af_packet_port.h"
#include "port/dummy/dummy_port.h"
#include "port/netdev.h"
#include "port/pcap/pcap_port.h"
#include "port/tap/tap_port.h"

namespace sluice::port {
namespace {

/// A port's options, taken one by one with a check of their form.
class OptionReader {
 public:
  OptionReader(const std::string& port, const Options& options) : port_(port), options_(options) {}

  Status only(std::initializer_list<std::string_view> known) const {
    for (const auto& [key, value] : options_)
      if (std::find(known.begin(), known.end(), key) == known.end())
        return fail("port " + port_ + ": unknown option \"" + key + "\"" + expected(known));
    return {};
  }
  std::string text(std::string_view key) const {
    const auto found = options_.find(key);
    return found == options_.end() ? std::string() : found->second;
  }
  Result<std::uint32_t> number(std::string_view key, std::uint32_t otherwise, std::uint32_t least,
                               std::uint32_t most) const {
    const auto found = options_.find(key);
    if (found == options_.end()) return otherwise;
    const std::string& value = found->second;
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size() || number < least || number > most)
      return wrong(key, value, "a number from " + std::to_string(least) + " to " + std::to_string(most));
    return number;
  }
  Result<std::optional<net::Mac>> mac() const {
    const auto found = options_.find("mac");
    if (found == options_.end()) return std::optional<net::Mac>();
    const auto mac = net::parse_mac(found->second);
    if (!mac || mac->is_multicast() || mac->is_zero())
      return wrong("mac", found->second, "a unicast MAC address");
    return mac;
  }
  Result<bool> flag(std::string_view key, bool otherwise) const {
    const auto found = options_.find(key);
    if (found == options_.end()) return otherwise;
    if (found->second == "true") return true;
    if (found->second == "false") return false;
    return wrong(key, found->second, "true or false");
  }

 private:
  static std::string expected(std::initializer_list<std::string_view> known) {
    if (known.size() == 0) return " (this type has none)";
    std::string text = " (expected";
    for (const std::string_view key : known) text += (&key == known.begin() ? " " : ", ") + std::string(key);
    return text + ")";
  }
  tl::unexpected<Error> wrong(std::string_view key, const std::string& value,
                              const std::string& wanted) const {
    return fail("port " + port_ + ": option " + std::string(key) + "=" + value + ": expected " + wanted);
  }

  const std::string& port_;
  const Options& options_;
};

template <typename T>
Result<std::unique_ptr<Port>> as_port(Result<std::unique_ptr<T>> port) {
  if (!port) return tl::unexpected(std::move(port.error()));
  return std::unique_ptr<Port>(std::move(*port));
}

constexpr std::uint32_t kMinMtu = 68, kMaxMtu = 65521;  // of a TAP device; RFC 791 for the least

Result<std::unique_ptr<Port>> make_tap(const std::string& name, const OptionReader& options) {
  SLUICE_TRY(options.only({"mac", "mtu", "persistent", "up"}));
  TapOptions tap;
  SLUICE_ASSIGN(tap.mac, options.mac());
  SLUICE_ASSIGN(tap.mtu, options.number("mtu", tap.mtu, kMinMtu, kMaxMtu));
  SLUICE_ASSIGN(tap.up, options.flag("up", true));
  SLUICE_ASSIGN(tap.persistent, options.flag("persistent", false));
  return as_port(TapPort::create(name, tap));
}

Result<std::unique_ptr<Port>> make_dummy(std::string_view type, const std::string& name,
                                         const OptionReader& options) {
  SLUICE_TRY(options.only({"as", "mac", "mtu", "n_rxq", "pcap", "pstream", "rxq_pcap", "stream", "tx_pcap"}));
  DummyOptions dummy;
  dummy.type = options.text("as").empty() ? std::string(type) : options.text("as");
  // Nobody takes what these ports of a daemon send, but a stream.
  dummy.announce_sent = !options.text("stream").empty() || !options.text("pstream").empty();
  if (!dummy.announce_sent) dummy.max_sent = 0;
  SLUICE_ASSIGN(const auto mac, options.mac());
  dummy.mac = mac.value_or(dummy.mac);
  SLUICE_ASSIGN(dummy.mtu, options.number("mtu", dummy.mtu, kMinMtu, kMaxMtu));
  constexpr std::uint32_t kMostQueues = 64;
  SLUICE_ASSIGN(dummy.receive_queues, options.number("n_rxq", 1, 1, kMostQueues));
  auto port = std::make_unique<DummyPort>(name, dummy);
  const std::string both = options.text("pcap");
  SLUICE_TRY(port->capture(both.empty() ? options.text("rxq_pcap") : both,
                           both.empty() ? options.text("tx_pcap") : both));
  return std::unique_ptr<Port>(std::move(port));
}

Result<std::unique_ptr<Port>> make_pcap(const std::string& name, const OptionReader& options) {
  SLUICE_TRY(options.only({"in", "out"}));
  PcapOptions pcap;
  pcap.in = options.text("in");
  pcap.out = options.text("out");
  return as_port(PcapPort::open(name, pcap));
}

}  // namespace

Result<std::unique_ptr<Port>> make_port(std::string_view type, const std::string& name,
                                        const Options& options) {
  const OptionReader reader(name, options);
  if (type.empty() || type == "system") {
    SLUICE_TRY(reader.only({}));
    return as_port(AfPacketPort::open(name));
  }
  if (type == "internal" || type == "tap") return make_tap(name, reader);
  if (type == "dummy" || type == "dummy-internal" || type == "dummy-pmd")
    return make_dummy(type, name, reader);
  if (type == "pcap") return make_pcap(name, reader);
  return fail("port " + name + ": unknown type \"" + std::string(type) +
              "\" (expected system, internal, tap, pcap or dummy)");
}

void close_ports(std::vector<std::unique_ptr<Port>> ports) {
  constexpr std::size_t kMostThreads = 16;
  const auto slow =
      std::partition(ports.begin(), ports.end(), [](const auto& port) { return !port->closes_slowly(); });
  ports.erase(ports.begin(), slow);  // what others are destroyed by must be this thread
  std::atomic<std::size_t> next{0};
  const auto close_some = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < ports.size();) ports[i].reset();
  };
  std::vector<std::thread> helpers;
  try {
    while (helpers.size() + 1 < std::min(ports.size(), kMostThreads)) helpers.emplace_back(close_some);
  } catch (const std::system_error&) {  // with fewer threads it takes longer
  }
  close_some();
  for (auto& helper : helpers) helper.join();
}

bool interface_exists(const std::string& name) {
  if (!Netdev::check_name(name)) return false;
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  const bool exists = Netdev(socket, name).index().has_value();
  close(socket);
  return exists;
}

}  // namespace sluice::port
