// Queues: enqueue (OpenFlow 1.0 only; later versions see set_queue, output, pop_queue), set_queue and
// pop_queue.
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Enqueue {
  std::uint32_t port = 0;
  std::uint32_t queue = 0;

  static constexpr std::string_view kNames[] = {"enqueue"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Enqueue&) const = default;
};

struct SetQueue {
  std::uint32_t queue = 0;

  static constexpr std::string_view kNames[] = {"set_queue"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetQueue&) const = default;
};

struct PopQueue {
  static constexpr std::string_view kNames[] = {"pop_queue"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const PopQueue&) const = default;
};

}  // namespace sluice::action
