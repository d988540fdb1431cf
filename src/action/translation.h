// What an action may do when a packet's key is translated to datapath actions. The Translator of pipeline/
// implements it; actions are unit-tested against a fake; explain (ofproto/trace) is an implementation that
// also narrates.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "action/action.h"
#include "conntrack/request.h"
#include "field/field.h"
#include "flow/flow_key.h"

namespace sluice::action {

struct Bundle;
struct Controller;
struct CtAction;
struct Learn;
struct Multipath;

class Translation {
 public:
  virtual ~Translation() = default;

  /// The packet's key as the actions so far have changed it. Reading it directly needs unwildcard() as well.
  virtual const flow::FlowKey& key() const = 0;

  /// The value of a field or part of it; what was read is un-wildcarded.
  virtual field::FieldValue read(const field::Subfield& sub) = 0;
  /// Writes; if the packet lacks the header (prerequisite) nothing happens.
  virtual void write(const field::Subfield& sub, field::FieldValue value) = 0;
  /// Whether the packet has the header that the field is in; what that took is un-wildcarded. A move from a
  /// field that is absent does nothing.
  virtual bool has(field::FieldId) { return true; }
  virtual void unwildcard(field::FieldId id) = 0;

  /// Output to any OpenFlow port, reserved ones included. max_len is for CONTROLLER.
  virtual void output(std::uint32_t port, std::uint16_t max_len) = 0;
  virtual void output_truncated(std::uint32_t port, std::uint32_t max_len) = 0;
  virtual void controller(const Controller& action) = 0;

  virtual void push_vlan(be16 tpid) = 0;
  virtual void pop_vlan() = 0;
  virtual void push_mpls(be16 eth_type) = 0;
  virtual void pop_mpls(be16 eth_type) = 0;
  /// An Ethernet header of zeros before a packet that has none.
  virtual void encap_ethernet() = 0;
  /// Takes the outermost header off; the packet has none before its network layer then.
  virtual void decap() = 0;
  /// False if the TTL is exhausted: the packet-in has been made and the caller must stop the action list.
  virtual bool decrement_ttl() = 0;
  virtual bool decrement_mpls_ttl() = 0;
  /// As decrement_ttl(), but the packet-in goes to the controllers with these ids.
  virtual bool decrement_ttl_for(std::span<const std::uint16_t>) { return decrement_ttl(); }

  /// in_port 0xfff8 (IN_PORT) keeps the port; table 0xff = the current one; with_ct_tuple looks up with the
  /// connection's original tuple as addresses and ports.
  virtual void resubmit(std::uint32_t in_port, std::uint8_t table, bool with_ct_tuple) = 0;
  virtual void goto_table(std::uint8_t table) = 0;

  virtual void ct(const CtAction& action) = 0;
  virtual void ct_clear() = 0;

  virtual void push(const field::Subfield& source) = 0;
  virtual void pop(const field::Subfield& target) = 0;

  virtual void clone(const ActionList& actions) = 0;
  virtual void write_actions(const ActionList& actions) = 0;
  virtual void clear_actions() = 0;
  virtual void write_metadata(std::uint64_t value, std::uint64_t mask) = 0;
  virtual void check_pkt_larger(std::uint16_t size, const field::Subfield& target) = 0;
  virtual void sample(std::uint16_t probability, std::uint32_t collector_set, std::uint32_t domain,
                      std::uint32_t point) = 0;
  virtual void group(std::uint32_t id) = 0;
  virtual void meter(std::uint32_t id) = 0;
  virtual void bundle(const Bundle& action) = 0;
  virtual void multipath(const Multipath& action) = 0;
  virtual void learn(const Learn& action) = 0;
  /// Seconds, 0: that timeout stays.
  virtual void fin_timeout(std::uint16_t idle, std::uint16_t hard) = 0;
  virtual void set_queue(std::uint32_t queue) = 0;
  /// Back to the queue that the packet had when it entered the switch: 0 unless a port says otherwise.
  virtual void pop_queue() { set_queue(0); }
  virtual void exit() = 0;
  /// True after exit(), or after an error that ends the translation: translate() runs no further action.
  virtual bool stopped() const { return false; }
};

}  // namespace sluice::action
