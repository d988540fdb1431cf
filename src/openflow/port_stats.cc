#include "openflow/port_stats.h"

#include <algorithm>

#include "openflow/port_number.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kPortRequest[] = {{"OFPST_PORT request", Frame::Request, 0, 4, k10, k10, 20, 0},
                                     {"OFPST_PORT request", Frame::Request, 0, 4, k11, k15, 24, 0}};
constexpr WireForm kPortReply[] = {{"OFPST_PORT reply", Frame::Reply, 0, 4, k10, k10, 12, 104},
                                   {"OFPST_PORT reply", Frame::Reply, 0, 4, k11, k12, 16, 104},
                                   {"OFPST_PORT reply", Frame::Reply, 0, 4, k13, k13, 16, 112},
                                   {"OFPST_PORT reply", Frame::Reply, 0, 4, k14, k15, 16, 8}};
constexpr WireForm kDescRequest[] = {{"OFPST_PORT_DESC request", Frame::Request, 0, 13, k10, k10, 12, 0},
                                     {"OFPST_PORT_DESC request", Frame::Request, 0, 13, k11, k14, 16, 0},
                                     {"OFPST_PORT_DESC request", Frame::Request, 0, 13, k15, k15, 24, 0}};
constexpr WireForm kDescReply[] = {{"OFPST_PORT_DESC reply", Frame::Reply, 0, 13, k10, k10, 12, 48},
                                   {"OFPST_PORT_DESC reply", Frame::Reply, 0, 13, k11, k13, 16, 64},
                                   {"OFPST_PORT_DESC reply", Frame::Reply, 0, 13, k14, k15, 16, 8}};
constexpr WireForm kQueueRequest[] = {{"OFPST_QUEUE request", Frame::Request, 0, 5, k10, k10, 20, 0},
                                      {"OFPST_QUEUE request", Frame::Request, 0, 5, k11, k15, 24, 0}};
constexpr WireForm kQueueReply[] = {{"OFPST_QUEUE reply", Frame::Reply, 0, 5, k10, k10, 12, 32},
                                    {"OFPST_QUEUE reply", Frame::Reply, 0, 5, k11, k12, 16, 32},
                                    {"OFPST_QUEUE reply", Frame::Reply, 0, 5, k13, k13, 16, 40},
                                    {"OFPST_QUEUE reply", Frame::Reply, 0, 5, k14, k15, 16, 8}};
constexpr WireForm kConfigRequest[] = {
    {"OFPT_QUEUE_GET_CONFIG_REQUEST", Frame::Plain, 0, 20, k10, k10, 12, 0},
    {"OFPT_QUEUE_GET_CONFIG_REQUEST", Frame::Plain, 0, 22, k11, k13, 16, 0},
    {"OFPST_QUEUE_DESC request", Frame::Request, 0, 15, k14, k15, 24, 0}};
constexpr WireForm kConfigReply[] = {{"OFPT_QUEUE_GET_CONFIG_REPLY", Frame::Plain, 0, 21, k10, k10, 16, 8},
                                     {"OFPT_QUEUE_GET_CONFIG_REPLY", Frame::Plain, 0, 23, k11, k13, 16, 8},
                                     {"OFPST_QUEUE_DESC reply", Frame::Reply, 0, 15, k14, k15, 16, 8}};

constexpr std::uint16_t kEthernetProperty = 0;
constexpr std::uint16_t kMinRate = 1, kMaxRate = 2;
constexpr std::uint32_t kUnknown = 0xffffffff;
constexpr std::uint32_t kPortAll10 = action::of_port::kAll;

/// 8 bytes in every version.
Result<std::uint32_t> take_padded_port(ByteReader& in, OfVersion version) {
  SLUICE_ASSIGN(const std::uint32_t port, take_valid_port(in, version));
  in.skip(version == k10 ? 6 : 4);
  return port;
}
void put_padded_port(std::uint32_t port, Encoder& out) {
  out.port(port);
  out.out().zeros(out.version() == k10 ? 6 : 4);
}

constexpr std::uint64_t PortCounters::* const kPlainCounters[] = {
    &PortCounters::rx_packets, &PortCounters::tx_packets, &PortCounters::rx_bytes,  &PortCounters::tx_bytes,
    &PortCounters::rx_dropped, &PortCounters::tx_dropped, &PortCounters::rx_errors, &PortCounters::tx_errors};
constexpr std::uint64_t PortCounters::* const kEthernetCounters[] = {
    &PortCounters::rx_frame_errors, &PortCounters::rx_over_errors, &PortCounters::rx_crc_errors,
    &PortCounters::collisions};

/// Open vSwitch's statistics of devices beyond OpenFlow's.
constexpr std::uint32_t kIntelVendor = 0x0000aa01, kCustomCounters = 2;

Status decode_custom(ByteReader in, PortCounters& port) {
  in.skip(2);
  const std::uint16_t count = in.u16();
  for (std::uint16_t i = 0; i < count && in.ok(); ++i) {
    PortCounters::Custom& counter = port.custom.emplace_back();
    const std::vector<std::uint8_t> name = take_bytes(in, in.u8());
    counter.name.assign(name.begin(), name.end());
    counter.value = in.u64();
  }
  return in.ok() ? Status{} : bad_length("custom statistics of a port", OfError::BpcBadLen);
}

Status decode_counters14(ByteReader& body, PortCounters& port) {
  const std::size_t available = body.remaining();
  const std::size_t length = body.u16();
  if (!body.ok() || length < 80 || length > available) return bad_length("port statistics");
  ByteReader in = take_part(body, length - 2);
  in.skip(2);
  port.port = in.u32();
  port.duration_s = in.u32();
  port.duration_ns = in.u32();
  for (const auto counter : kPlainCounters) port.*counter = in.u64();
  for (const auto counter : kEthernetCounters) port.*counter = ~std::uint64_t{0};
  while (in.remaining() > 0) {
    SLUICE_ASSIGN(const Property property, next_property(in));
    if (property.experimenter && property.vendor == kIntelVendor &&
        property.experimenter_type == kCustomCounters)
      SLUICE_TRY(decode_custom(ByteReader(property.body), port));
    if (property.experimenter || property.type != kEthernetProperty) continue;
    ByteReader value(property.body);
    value.skip(4);
    for (const auto counter : kEthernetCounters) port.*counter = value.u64();
    if (!value.ok()) return bad_length("Ethernet statistics of a port", OfError::BpcBadLen);
  }
  return {};
}

void encode_counters14(const PortCounters& port, ByteWriter& out) {
  const std::size_t start = out.size();
  out.zeros(4);
  out.u32(port.port);
  out.u32(port.duration_s);
  out.u32(port.duration_ns);
  for (const auto counter : kPlainCounters) out.u64(port.*counter);
  {
    const PropertyWriter ethernet(out, kEthernetProperty);
    out.zeros(4);
    for (const auto counter : kEthernetCounters) out.u64(port.*counter);
  }
  if (!port.custom.empty()) {
    const PropertyWriter custom(out, kIntelVendor, kCustomCounters);
    out.zeros(2);
    out.u16(static_cast<std::uint16_t>(port.custom.size()));
    for (const auto& counter : port.custom) {
      const std::string_view name = std::string_view(counter.name).substr(0, 0xff);
      out.u8(static_cast<std::uint8_t>(name.size()));
      out.append(Bytes(reinterpret_cast<const std::uint8_t*>(name.data()), name.size()));
      out.u64(counter.value);
    }
  }
  patch_length(out, start, start);
}

/// Properties of a queue: rates in tenths of a percent. Before 1.4 they are padded to 16 bytes.
Status decode_rates(ByteReader in, bool padded, QueueConfig& queue) {
  while (in.remaining() > 0) {
    SLUICE_ASSIGN(const Property property, next_property(in));
    if (property.experimenter || (property.type != kMinRate && property.type != kMaxRate)) continue;
    ByteReader value(property.body);
    if (padded) value.skip(4);
    (property.type == kMinRate ? queue.min_rate : queue.max_rate) = value.u16();
    if (!value.ok()) return bad_length("rate of a queue", OfError::BpcBadLen);
  }
  return {};
}
void encode_rates(const QueueConfig& queue, bool padded, ByteWriter& out) {
  const auto rate = [&](std::uint16_t type, const std::optional<std::uint16_t>& value) {
    if (!value) return;
    const PropertyWriter property(out, type);
    if (padded) out.zeros(4);
    out.u16(*value);
    out.zeros(padded ? 6 : 2);
  };
  rate(kMinRate, queue.min_rate);
  rate(kMaxRate, queue.max_rate);
}

std::string format_rate(std::uint16_t rate) {
  return rate <= 1000 ? fmt::format("{}.{}%", rate / 10, rate % 10) : "(disabled)";
}

/// Bytes of a queue's description before its properties.
std::size_t queue_header(OfVersion version) {
  return version <= k11 ? 8 : 16;
}

}  // namespace

std::span<const WireForm> PortStatsRequest::wire_forms() {
  return kPortRequest;
}
std::span<const WireForm> PortStatsReply::wire_forms() {
  return kPortReply;
}
std::span<const WireForm> PortDescRequest::wire_forms() {
  return kDescRequest;
}
std::span<const WireForm> PortDescReply::wire_forms() {
  return kDescReply;
}
std::span<const WireForm> QueueStatsRequest::wire_forms() {
  return kQueueRequest;
}
std::span<const WireForm> QueueStatsReply::wire_forms() {
  return kQueueReply;
}
std::span<const WireForm> QueueConfigRequest::wire_forms() {
  return kConfigRequest;
}
std::span<const WireForm> QueueConfigReply::wire_forms() {
  return kConfigReply;
}

Status PortStatsRequest::decode(ByteReader& body, const DecodeContext& context, PortStatsRequest& out) {
  SLUICE_ASSIGN(out.port, take_padded_port(body, context.version));
  return finished(body, "port statistics request");
}
void PortStatsRequest::encode(Encoder& out) const {
  put_padded_port(port, out);
}
void PortStatsRequest::format(Printer& out) const {
  out.put(" port_no=");
  out.port(port);
  out.put("\n");
}

Status PortStatsReply::decode(ByteReader& body, const DecodeContext& context, PortStatsReply& out) {
  while (body.remaining() > 0) {
    PortCounters& port = out.entries.emplace_back();
    if (context.version >= k14) {
      SLUICE_TRY(decode_counters14(body, port));
      continue;
    }
    SLUICE_ASSIGN(port.port, take_padded_port(body, context.version));
    for (const auto counter : kPlainCounters) port.*counter = body.u64();
    for (const auto counter : kEthernetCounters) port.*counter = body.u64();
    if (context.version >= k13) {
      port.duration_s = body.u32();
      port.duration_ns = body.u32();
    }
    SLUICE_TRY(finished(body, "port statistics"));
  }
  return {};
}
void PortStatsReply::encode(Encoder& out) const {
  for (const PortCounters& port : entries) {
    out.entry();
    if (out.version() >= k14) {
      encode_counters14(port, out.out());
      continue;
    }
    put_padded_port(port.port, out);
    for (const auto counter : kPlainCounters) out.out().u64(port.*counter);
    for (const auto counter : kEthernetCounters) out.out().u64(port.*counter);
    if (out.version() == k13) {
      out.out().u32(port.duration_s);
      out.out().u32(port.duration_ns);
    }
  }
}
void PortStatsReply::format(Printer& out) const {
  out.put(" {} ports\n", entries.size());
  for (const PortCounters& p : entries) {
    std::string number = field::format_port(p.port, out.names().ports);
    out.put("  port {:>2}: rx pkts={}, bytes={}, drop={}, errs={}, frame={}, over={}, crc={}\n", number,
            format_count(p.rx_packets), format_count(p.rx_bytes), format_count(p.rx_dropped),
            format_count(p.rx_errors), format_count(p.rx_frame_errors), format_count(p.rx_over_errors),
            format_count(p.rx_crc_errors));
    out.put("           tx pkts={}, bytes={}, drop={}, errs={}, coll={}\n", format_count(p.tx_packets),
            format_count(p.tx_bytes), format_count(p.tx_dropped), format_count(p.tx_errors),
            format_count(p.collisions));
    if (p.duration_s != kUnknown)
      out.put("           duration={}s\n", format_time(p.duration_s, p.duration_ns));
    if (p.custom.empty()) continue;
    out.put("           CUSTOM Statistics\n                      ");
    for (std::size_t i = 0; i < p.custom.size(); ++i) {
      const bool last = i + 1 == p.custom.size();
      constexpr std::size_t kPerLine = 3;
      out.put("{}={},{}", p.custom[i].name, p.custom[i].value,
              last                      ? "\n"
              : (i + 1) % kPerLine == 0 ? "\n                      "
                                        : " ");
    }
  }
}

Status PortDescRequest::decode(ByteReader& body, const DecodeContext& context, PortDescRequest& out) {
  if (context.version >= k15) {
    SLUICE_ASSIGN(out.port, take_valid_port(body, context.version));
  }
  return finished(body, "port description request");
}
void PortDescRequest::encode(Encoder& out) const {
  if (out.version() < k15) return;
  out.out().u32(port);
  out.out().zeros(4);
}
void PortDescRequest::format(Printer& out) const {
  out.put(" port=");
  out.port(port);
  out.put("\n");
}

Status PortDescReply::decode(ByteReader& body, const DecodeContext& context, PortDescReply& out) {
  while (body.remaining() > 0) SLUICE_TRY(decode_port(body, context.version, out.entries.emplace_back()));
  return {};
}
void PortDescReply::encode(Encoder& out) const {
  for (const PortDescription& port : entries) {
    out.entry();
    encode_port(port, out);
  }
}
void PortDescReply::format(Printer& out) const {
  out.put("\n");
  format_ports(entries, out);
}

Status QueueStatsRequest::decode(ByteReader& body, const DecodeContext& context, QueueStatsRequest& out) {
  SLUICE_ASSIGN(out.port, take_valid_port(body, context.version));
  if (context.version == k10) body.skip(2);
  // 1.0 says "all" where later versions say "any".
  if (context.version == k10 && out.port == kPortAll10) out.port = action::of_port::kNone;
  out.queue = body.u32();
  return finished(body, "queue statistics request");
}
void QueueStatsRequest::encode(Encoder& out) const {
  out.port(out.version() == k10 && port == action::of_port::kNone ? kPortAll10 : port);
  if (out.version() == k10) out.out().zeros(2);
  out.out().u32(queue);
}
void QueueStatsRequest::format(Printer& out) const {
  out.put(" port=");
  out.port(port);
  if (queue == kAllQueues)
    out.put(" queue=ALL\n");
  else
    out.put(" queue={}\n", queue);
}

Status QueueStatsReply::decode(ByteReader& body, const DecodeContext& context, QueueStatsReply& out) {
  while (body.remaining() > 0) {
    QueueCounters& queue = out.entries.emplace_back();
    if (context.version >= k14) {
      const std::size_t available = body.remaining();
      const std::size_t length = body.u16();
      if (!body.ok() || length < 48 || length > available) return bad_length("queue statistics");
      ByteReader in = take_part(body, length - 2);
      in.skip(6);
      queue.port = in.u32();
      queue.queue = in.u32();
      queue.tx_bytes = in.u64();
      queue.tx_packets = in.u64();
      queue.tx_errors = in.u64();
      queue.duration_s = in.u32();
      queue.duration_ns = in.u32();
      continue;
    }
    SLUICE_ASSIGN(queue.port, take_valid_port(body, context.version));
    if (context.version == k10) body.skip(2);
    queue.queue = body.u32();
    queue.tx_bytes = body.u64();
    queue.tx_packets = body.u64();
    queue.tx_errors = body.u64();
    if (context.version == k13) {
      queue.duration_s = body.u32();
      queue.duration_ns = body.u32();
    }
    SLUICE_TRY(finished(body, "queue statistics"));
  }
  return {};
}
void QueueStatsReply::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  const OfVersion version = encoder.version();
  for (const QueueCounters& queue : entries) {
    encoder.entry();
    if (version >= k14) {
      out.u16(48);
      out.zeros(6);
    }
    encoder.port(queue.port);
    if (version == k10) out.zeros(2);
    out.u32(queue.queue);
    out.u64(queue.tx_bytes);
    out.u64(queue.tx_packets);
    out.u64(queue.tx_errors);
    if (version >= k13) {
      out.u32(queue.duration_s);
      out.u32(queue.duration_ns);
    }
  }
}
void QueueStatsReply::format(Printer& out) const {
  out.put(" {} queues\n", entries.size());
  for (const QueueCounters& queue : entries) {
    out.put("  port ");
    out.port(queue.port);
    out.put(" queue {}: bytes={}, pkts={}, errors={}, duration=", queue.queue, format_count(queue.tx_bytes),
            format_count(queue.tx_packets), format_count(queue.tx_errors));
    if (queue.duration_s == kUnknown)
      out.put("?\n");
    else
      out.put("{}s\n", format_time(queue.duration_s, queue.duration_ns));
  }
}

Status QueueConfigRequest::decode(ByteReader& body, const DecodeContext& context, QueueConfigRequest& out) {
  SLUICE_ASSIGN(out.port, take_valid_port(body, context.version));
  if (context.version >= k14) out.queue = body.u32();
  const bool real = out.port < 0xff00 || (out.port == action::of_port::kNone && context.version != k10);
  if (context.version < k14 && !real)
    return fail(fmt::format("queues of port {:#x} (OFPQOFC_BAD_PORT)", out.port), OfError::QofcBadPort);
  return finished(body, "queue configuration request");
}
void QueueConfigRequest::encode(Encoder& out) const {
  out.port(port);
  if (out.version() >= k14)
    out.out().u32(queue);
  else
    out.out().zeros(out.version() == k10 ? 2 : 4);
}
void QueueConfigRequest::format(Printer& out) const {
  out.put(" port=");
  out.port(port);
  if (queue != kAllQueues) out.put(" queue={}", queue);
  out.put("\n");
}

Status QueueConfigReply::decode(ByteReader& body, const DecodeContext& context, QueueConfigReply& out) {
  const OfVersion version = context.version;
  if (version < k14) {
    SLUICE_ASSIGN(out.port, take_padded_port(body, version));
  }
  while (body.remaining() > 0) {
    const std::size_t available = body.remaining();
    QueueConfig& queue = out.entries.emplace_back();
    queue.port = out.port;
    if (version >= k12 && version < k14) {
      // The queue's own port is told, too; the one that was asked for counts, as with 1.0.
      queue.queue = body.u32();
      body.skip(4);
    } else if (version >= k14) {
      queue.port = body.u32();
      queue.queue = body.u32();
    } else {
      queue.queue = body.u32();
    }
    const std::size_t length = body.u16();
    body.skip(version <= k11 ? 2 : 6);
    const std::size_t header = queue_header(version);
    if (!body.ok() || length < header || length > available) return bad_length("queue configuration");
    SLUICE_TRY(decode_rates(take_part(body, length - header), version < k14, queue));
  }
  return {};
}
void QueueConfigReply::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  const OfVersion version = encoder.version();
  if (version < k14) put_padded_port(port, encoder);
  for (const QueueConfig& queue : entries) {
    encoder.entry();
    const std::size_t start = out.size();
    if (version >= k14) out.u32(queue.port);
    out.u32(queue.queue);
    if (version >= k12 && version < k14) out.u32(queue.port);
    const std::size_t at = out.size();
    out.u16(0);
    out.zeros(version <= k11 ? 2 : 6);
    encode_rates(queue, version < k14, out);
    patch_length(out, start, at);
  }
}
void QueueConfigReply::format(Printer& out) const {
  std::optional<std::uint32_t> shown;
  const auto show = [&](std::uint32_t number) {
    out.put("{}port=", shown ? "" : " ");
    out.port(number);
    out.put("\n");
    shown = number;
  };
  std::vector<const QueueConfig*> order;
  for (const QueueConfig& queue : entries) order.push_back(&queue);
  std::stable_sort(order.begin(), order.end(), [](const QueueConfig* a, const QueueConfig* b) {
    return std::pair(a->port, a->queue) < std::pair(b->port, b->queue);
  });
  for (const QueueConfig* queue : order) {
    if (shown != queue->port) show(queue->port);
    out.put("queue {}:", queue->queue);
    if (queue->min_rate) out.put(" min_rate:{}", format_rate(*queue->min_rate));
    if (queue->max_rate) out.put(" max_rate:{}", format_rate(*queue->max_rate));
    out.put("\n");
  }
  if (!shown) out.put("\n");
}

}  // namespace sluice::openflow
