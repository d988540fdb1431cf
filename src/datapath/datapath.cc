#include "datapath/datapath.h"

#include <algorithm>
#include <map>
#include <utility>

#include "conntrack/tracker.h"
#include "datapath/meter.h"
#include "datapath/port_slot.h"
#include "datapath/worker.h"

namespace sluice::datapath {
namespace {

// Megaflows copied for a dump between two batches.
constexpr unsigned kDumpSlice = 64;
/// Megaflows credited between two batches: some ten microseconds.
constexpr unsigned kPushSlice = 512;
// Datapath ports are 16-bit numbers in Open vSwitch's datapaths; workers keep an array by number.
constexpr std::uint32_t kMaxPort = 0xffff;

/// Asks the device: system calls for one that is the kernel's.
void refresh(PortSlot& slot) {
  slot.mac = slot.port->mac();
  slot.mtu = slot.port->mtu();
  slot.link_up = slot.port->link_up();
  slot.admin_up = slot.port->admin_up();
}

PortInfo info_of(const PortSlot& slot) {
  const port::PortCounters& c = slot.port->counters();
  const auto value = [](const std::atomic<std::uint64_t>& cell) {
    return cell.load(std::memory_order_relaxed);
  };
  return {.number = slot.number,
          .name = slot.port->name(),
          .type = std::string(slot.port->type()),
          .mac = slot.mac,
          .mtu = slot.mtu,
          .link_up = slot.link_up,
          .admin_up = slot.admin_up,
          .worker = slot.worker,
          .rx_packets = value(c.rx_packets),
          .rx_bytes = value(c.rx_bytes),
          .rx_dropped = value(c.rx_dropped),
          .rx_errors = value(c.rx_errors),
          .tx_packets = value(c.tx_packets),
          .tx_bytes = value(c.tx_bytes),
          .tx_dropped = value(c.tx_dropped),
          .tx_errors = value(c.tx_errors)};
}

}  // namespace

struct Datapath::Impl final : field::NameResolver {
  Impl(const DatapathOptions& options, const Clock& clock, conntrack::Tracker& connections)
      : tracker(connections), max_megaflows(options.max_megaflows * std::max(1u, options.workers)) {
    for (unsigned i = 0; i < std::max(1u, options.workers); ++i)
      workers.push_back(std::make_unique<Worker>(i, options, clock, tracker));
    load.resize(workers.size());
    for (const auto& worker : workers) worker->set_meters(&meters);
  }

  std::optional<std::uint32_t> port_number(std::string_view name) const override {
    if (name == kOwnPortName) return kOwnPort;
    const auto it = numbers.find(name);
    return it == numbers.end() ? std::nullopt : std::optional(it->second);
  }
  std::optional<std::string> port_name(std::uint32_t number) const override {
    if (number == kOwnPort) return std::string(kOwnPortName);
    const auto it = ports.find(number);
    if (it == ports.end()) return std::nullopt;
    return it->second->port->name();
  }

  std::uint32_t free_number() {
    while (ports.contains(lowest_free)) ++lowest_free;
    return lowest_free;
  }
  /// The worker that receives from the fewest ports.
  unsigned idlest_worker() const {
    return static_cast<unsigned>(std::ranges::min_element(load) - load.begin());
  }
  void on_all(const std::function<void(Worker&)>& work) {
    for (auto& worker : workers) worker->post([&] { work(*worker); });
  }

  conntrack::Tracker& tracker;
  std::uint32_t max_megaflows;  ///< of all workers
  MeterTable meters;
  std::map<std::uint32_t, std::unique_ptr<PortSlot>> ports;
  std::map<std::string, std::uint32_t, std::less<>> numbers;  ///< of `ports`, by name
  std::uint32_t lowest_free = 1;                              ///< all numbers below are taken
  std::vector<unsigned> load;                    ///< of each worker, the ports that it receives from
  std::vector<std::unique_ptr<Worker>> workers;  // go before the ports
  bool running = false;
};

Datapath::Datapath(const DatapathOptions& options, const Clock& clock, conntrack::Tracker& tracker)
    : impl_(std::make_unique<Impl>(options, clock, tracker)) {}

Datapath::~Datapath() {
  stop();
}

void Datapath::set_handler(UpcallHandler* handler) {
  impl_->on_all([&](Worker& worker) { worker.set_handler(handler); });
}

Result<std::uint32_t> Datapath::add_port(std::unique_ptr<port::Port> port,
                                         std::optional<std::uint32_t> number) {
  if (port_number(port->name())) return fail("datapath port \"" + port->name() + "\" exists already");
  const std::uint32_t chosen = number.value_or(impl_->free_number());
  if (chosen == kOwnPort || chosen > kMaxPort)
    return fail("datapath port number " + std::to_string(chosen) + " for \"" + port->name() +
                "\" is not in 1.." + std::to_string(kMaxPort));
  if (impl_->ports.contains(chosen))
    return fail("datapath port number " + std::to_string(chosen) + " is taken by \"" +
                impl_->ports[chosen]->port->name() + "\"");

  auto slot = std::make_unique<PortSlot>();
  slot->number = chosen;
  slot->worker = impl_->idlest_worker();
  slot->shared = impl_->workers.size() > 1;
  slot->port = std::move(port);
  refresh(*slot);
  PortSlot& added = *(impl_->ports[chosen] = std::move(slot));
  impl_->numbers[added.port->name()] = chosen;
  ++impl_->load[added.worker];
  // The worker that receives from it comes last: all can send to the port before the first packet arrives
  // from it.
  Status status;
  for (const bool receives : {false, true})
    for (unsigned i = 0; i < impl_->workers.size(); ++i)
      if ((i == added.worker) == receives)
        impl_->workers[i]->post([&, i] { status = impl_->workers[i]->attach(added); });
  if (!status) {
    const std::string name = added.port->name();
    (void)remove_port(chosen);
    return fail("datapath port \"" + name + "\": " + status.error().message);
  }
  return chosen;
}

Result<std::unique_ptr<port::Port>> Datapath::remove_port(std::uint32_t number) {
  const auto it = impl_->ports.find(number);
  if (it == impl_->ports.end()) return fail("there is no datapath port " + std::to_string(number));
  impl_->on_all([&](Worker& worker) { worker.detach(*it->second); });
  auto port = std::move(it->second->port);
  impl_->numbers.erase(port->name());
  --impl_->load[it->second->worker];
  impl_->lowest_free = std::min(impl_->lowest_free, number);
  impl_->ports.erase(it);
  return port;
}

void Datapath::refresh_ports() {
  for (const auto& [number, slot] : impl_->ports) refresh(*slot);
}

void Datapath::refresh_port(std::uint32_t number) {
  if (const auto it = impl_->ports.find(number); it != impl_->ports.end()) refresh(*it->second);
}

Status Datapath::set_admin_up(std::uint32_t number, bool up) {
  const auto it = impl_->ports.find(number);
  if (it == impl_->ports.end()) return {};
  const Status set = it->second->port->set_admin_up(up);
  refresh(*it->second);
  return set;
}

void Datapath::set_policing(std::uint32_t number, const std::vector<MeterConfig>& limits) {
  const auto it = impl_->ports.find(number);
  if (it == impl_->ports.end()) return;
  PortSlot& slot = *it->second;
  std::vector<std::unique_ptr<Meter>> made;
  for (const MeterConfig& limit : limits) made.push_back(std::make_unique<Meter>(limit, Instant{}));
  impl_->workers[slot.worker]->post([&] { slot.limits.swap(made); });
}

std::vector<PortInfo> Datapath::ports() const {
  std::vector<PortInfo> all;
  for (const auto& [number, slot] : impl_->ports) all.push_back(info_of(*slot));
  return all;
}

std::optional<PortInfo> Datapath::find_port(std::uint32_t number) const {
  const auto it = impl_->ports.find(number);
  if (it == impl_->ports.end()) return std::nullopt;
  return info_of(*it->second);
}

std::optional<std::uint32_t> Datapath::port_number(std::string_view name) const {
  return impl_->port_number(name);
}

port::Port* Datapath::device(std::uint32_t number) {
  const auto it = impl_->ports.find(number);
  return it == impl_->ports.end() ? nullptr : it->second->port.get();
}

const field::NameResolver& Datapath::port_names() const {
  return *impl_;
}

Status Datapath::start() {
  if (std::exchange(impl_->running, true)) return {};
  for (auto& worker : impl_->workers)
    if (auto status = worker->start(); !status) {
      stop();
      return status;
    }
  return {};
}

void Datapath::stop() {
  if (!std::exchange(impl_->running, false)) return;
  for (auto& worker : impl_->workers) worker->stop();
}

bool Datapath::running() const {
  return impl_->running;
}

unsigned Datapath::poll() {
  SLUICE_CHECK(!impl_->running);
  unsigned received = 0;
  for (auto& worker : impl_->workers) received += worker->round();
  return received;
}

Status Datapath::inject(const Injection& injection) {
  const auto it = impl_->ports.find(injection.meta.in_port);
  Worker& worker = *impl_->workers[it == impl_->ports.end() ? 0 : it->second->worker];
  Status status;
  worker.post([&] { status = worker.inject(injection); });
  return status;
}

void Datapath::dump_flows(const std::function<void(const FlowSnapshot&)>& visit) {
  std::vector<FlowSnapshot> slice;
  for (auto& worker : impl_->workers)
    for (std::uint32_t cursor = 0; cursor != Worker::kDumpDone;) {
      slice.clear();
      worker->post([&] { cursor = worker->dump(cursor, kDumpSlice, slice); });
      for (const FlowSnapshot& flow : slice) visit(flow);
    }
}

std::size_t Datapath::flush_flows() {
  std::size_t n = 0;
  impl_->on_all([&](Worker& worker) { n += worker.flush(); });
  return n;
}

std::size_t Datapath::remove_flows(const std::function<bool(const flow::Match&)>& which) {
  std::size_t removed = 0;
  for (auto& worker : impl_->workers)
    for (std::uint32_t cursor = 0; cursor != Worker::kDumpDone;)
      worker->post([&] { cursor = worker->remove_flows(cursor, kDumpSlice, which, removed); });
  return removed;
}

void Datapath::set_max_megaflows(std::uint32_t most) {
  impl_->max_megaflows = most;
  impl_->on_all([&](Worker& worker) { worker.set_max_megaflows(most / workers()); });
}

std::uint32_t Datapath::max_megaflows() const {
  return impl_->max_megaflows;
}

void Datapath::set_megaflow_idle(Duration idle) {
  impl_->on_all([&](Worker& worker) { worker.set_megaflow_idle(idle); });
}

void Datapath::set_background_sweep(bool enabled) {
  impl_->on_all([&](Worker& worker) { worker.pause_sweep(!enabled); });
}

void Datapath::push_stats() {
  for (auto& worker : impl_->workers)
    for (std::uint32_t cursor = 0; cursor != Worker::kDumpDone;)
      worker->post([&] { cursor = worker->push_stats(cursor, kPushSlice); });
}

void Datapath::revalidate() {
  impl_->on_all([](Worker& worker) { worker.revalidate_all(); });
}

DatapathStats Datapath::stats() const {
  DatapathStats sum;
  for (const auto& worker : impl_->workers) sum += worker->stats();
  sum.fragments_waiting = impl_->tracker.reassembler().fragments();
  return sum;
}

unsigned Datapath::workers() const {
  return static_cast<unsigned>(impl_->workers.size());
}

DatapathStats Datapath::worker_stats(unsigned worker) const {
  return impl_->workers.at(worker)->stats();
}

std::uint32_t Datapath::packets_in_use() const {
  std::uint32_t n = 0;
  impl_->on_all([&](Worker& worker) { n += worker.packets_in_use(); });
  return n;
}

conntrack::Tracker& Datapath::tracker() {
  return impl_->tracker;
}
MeterTable& Datapath::meters() {
  return impl_->meters;
}

}  // namespace sluice::datapath
