#include "action/queue.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kEnqueue = 11, kSetQueue = 21, kNxSetQueue = 4, kNxPopQueue = 5;

Status decode_enqueue(ByteReader& body, const DecodeContext&, ActionList& out) {
  Enqueue action{.port = port_from_16(body.u16())};
  body.skip(6);
  action.queue = body.u32();
  if (action.port >= of_port::kMax && action.port != of_port::kInPort && action.port != of_port::kLocal)
    return fail("enqueue to port " + field::format_port(action.port) + " (OFPBAC_BAD_OUT_PORT)",
                OfError::BacBadOutPort);
  out.push_back(action);
  return {};
}
Status decode_set_queue(ByteReader& body, const DecodeContext&, ActionList& out) {
  out.push_back(SetQueue{.queue = body.u32()});
  return {};
}
Status decode_nx_set_queue(ByteReader& body, const DecodeContext&, ActionList& out) {
  body.skip(2);
  out.push_back(SetQueue{.queue = body.u32()});
  return {};
}
Status decode_pop_queue(ByteReader&, const DecodeContext&, ActionList& out) {
  out.push_back(PopQueue{});
  return {};
}

constexpr WireForm kEnqueueForms[] = {
    {0, kEnqueue, OfVersion::k10, OfVersion::k10, 16, true, decode_enqueue}};
constexpr WireForm kSetForms[] = {
    {0, kSetQueue, OfVersion::k11, OfVersion::k15, 8, true, decode_set_queue},
    {kNiciraVendor, kNxSetQueue, OfVersion::k10, OfVersion::k10, 16, true, decode_nx_set_queue},
};
constexpr WireForm kPopForms[] = {
    {kNiciraVendor, kNxPopQueue, OfVersion::k10, OfVersion::k15, 16, true, decode_pop_queue}};

}  // namespace

std::span<const WireForm> Enqueue::wire_forms() {
  return kEnqueueForms;
}

Status Enqueue::parse(const Word& word, const ParseContext& context, ActionList& out) {
  const auto split = word.argument.find_first_of(",:");
  if (split == std::string_view::npos)
    return fail("\"enqueue\" syntax is \"enqueue:PORT:QUEUE\" or \"enqueue(PORT,QUEUE)\"");
  const std::string_view port_text = trim(word.argument.substr(0, split));
  const auto port = parse_port(port_text, context.names);
  if (!port) return fail(std::string(port_text) + ": enqueue to unknown port");
  SLUICE_ASSIGN(const std::uint64_t queue,
                parse_number(trim(word.argument.substr(split + 1)), 0xffffffff, "queue"));
  out.push_back(Enqueue{.port = *port, .queue = static_cast<std::uint32_t>(queue)});
  return {};
}

void Enqueue::format(std::string& out, const Names& names) const {
  out += "enqueue:" + format_port(port, names) + ":" + std::to_string(queue);
}

void Enqueue::encode(Encoder& out) const {
  if (out.version() >= OfVersion::k11) {
    SetQueue{queue}.encode(out);
    Output{.port = port, .max_len = 0}.encode(out);
    PopQueue{}.encode(out);
    return;
  }
  out.begin(kEnqueue);
  out.out().u16(port_to_16(port));
  out.out().zeros(6);
  out.out().u32(queue);
  out.end();
}

Status Enqueue::check(CheckContext&) const {
  if (port < of_port::kMax || port == of_port::kInPort || port == of_port::kLocal) return {};
  return fail("enqueue to port " + field::format_port(port) +
                  ": expected a port of the switch, IN_PORT or LOCAL (OFPBAC_BAD_OUT_PORT)",
              OfError::BacBadOutPort);
}

void Enqueue::translate(Translation& translation) const {
  translation.set_queue(queue);
  translation.output(port, 0);
  translation.pop_queue();
}

std::span<const WireForm> SetQueue::wire_forms() {
  return kSetForms;
}

Status SetQueue::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const std::uint64_t queue, parse_number(word.argument, 0xffffffff, "queue"));
  out.push_back(SetQueue{.queue = static_cast<std::uint32_t>(queue)});
  return {};
}

void SetQueue::format(std::string& out, const Names&) const {
  out += "set_queue:" + std::to_string(queue);
}

void SetQueue::encode(Encoder& out) const {
  if (out.version() >= OfVersion::k11) {
    out.simple(kSetQueue, queue, 4);
    return;
  }
  out.begin_nicira(kNxSetQueue);
  out.out().zeros(2);
  out.out().u32(queue);
  out.end();
}

Status SetQueue::check(CheckContext&) const {
  return {};
}
void SetQueue::translate(Translation& translation) const {
  translation.set_queue(queue);
}

std::span<const WireForm> PopQueue::wire_forms() {
  return kPopForms;
}

Status PopQueue::parse(const Word&, const ParseContext&, ActionList& out) {
  out.push_back(PopQueue{});
  return {};
}

void PopQueue::format(std::string& out, const Names&) const {
  out += "pop_queue";
}
void PopQueue::encode(Encoder& out) const {
  out.nicira_simple(kNxPopQueue, 0, 1);
}
Status PopQueue::check(CheckContext&) const {
  return {};
}
void PopQueue::translate(Translation& translation) const {
  translation.pop_queue();
}

}  // namespace sluice::action
