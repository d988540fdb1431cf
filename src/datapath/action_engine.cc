#include "datapath/action_engine.h"

#include <algorithm>
#include <bit>
#include <variant>

#include "conntrack/tracker.h"
#include "datapath/datapath.h"
#include "datapath/header_rewrite.h"
#include "datapath/meter.h"
#include "datapath/upcall.h"
#include "flow/extract.h"

namespace sluice::datapath {

using namespace dp_action;
using packet::DropReason;
using packet::Packet;
using packet::PacketBatch;

void ActionEngine::execute(const Program& program, Run& run, unsigned nesting) {
  if (nesting > limits::kActionNesting) return drop(run.packets, DropReason::NestingDepth);
  const std::size_t n = program.size();
  for (std::size_t i = 0; i < n && !run.packets.empty(); ++i) {
    const bool last = i + 1 == n;
    const DpAction& action = program[i];
    if (const auto* output = std::get_if<Output>(&action)) {
      apply(*output, run, last);
    } else if (const auto* recirc = std::get_if<Recirc>(&action)) {
      apply(*recirc, run, last);
    } else if (const auto* ct = std::get_if<Ct>(&action)) {
      apply(*ct, run);
    } else if (const auto* set = std::get_if<SetHeader>(&action)) {
      apply(*set, run);
    } else if (std::holds_alternative<CtClear>(action)) {
      for (Packet* p : run.packets) p->meta.ct = {};
      if (run.key_state == Run::KeyState::Fresh) run.key_state = Run::KeyState::CtChanged;
    } else if (const auto* truncate = std::get_if<Truncate>(&action)) {
      run.truncate_to = truncate->max_len;
    } else if (const auto* userspace = std::get_if<Userspace>(&action)) {
      apply(*userspace, run, last);
    } else if (const auto* push = std::get_if<PushVlan>(&action)) {
      apply(*push, run);
    } else if (const auto* pop = std::get_if<PopVlan>(&action)) {
      apply(*pop, run);
    } else if (const auto* push_label = std::get_if<PushMpls>(&action)) {
      apply(*push_label, run);
    } else if (const auto* pop_label = std::get_if<PopMpls>(&action)) {
      apply(*pop_label, run);
    } else if (const auto* pop_header = std::get_if<PopEth>(&action)) {
      apply(*pop_header, run);
    } else if (const auto* push_header = std::get_if<PushEth>(&action)) {
      apply(*push_header, run);
    } else if (const auto* hash = std::get_if<Hash>(&action)) {
      apply(*hash, run);
    } else if (const auto* clone = std::get_if<Clone>(&action)) {
      branch(clone->actions, run, last, nesting);
    } else if (const auto* sample = std::get_if<Sample>(&action)) {
      apply(*sample, run, last, nesting);
    } else if (const auto* check = std::get_if<CheckPktLen>(&action)) {
      apply(*check, run, last, nesting);
    } else if (const auto* drop_action = std::get_if<Drop>(&action)) {
      drop(run.packets, drop_action->reason);
    } else if (const auto* meter = std::get_if<dp_action::Meter>(&action)) {
      apply(*meter, run);
    }
  }
  finish(run);
}

void ActionEngine::finish(Run& run) {
  if (run.packets.empty()) return;
  if (!run.copied) return drop(run.packets, run.drop_reason);
  counters_.add(Counter::Finished, run.packets.size());
  pool_.give(run.packets);
}

void ActionEngine::drop(PacketBatch& packets, DropReason reason) {
  if (packets.empty()) return;
  counters_.add(reason, packets.size());
  pool_.give(packets);
}

void ActionEngine::keep_only(Run& run, std::uint32_t places) {
  const unsigned n = run.packets.size();
  PacketBatch before = run.packets;
  run.packets.clear();
  for (unsigned i = 0; i < n; ++i) {
    if ((places >> i & 1) != 0) {
      run.push(before[i], run.keys[i], run.places[i]);  // never ahead of i
    } else {
      pool_.give(before[i]);
    }
  }
}

template <typename Change>
void ActionEngine::change(Run& run, DropReason reason, Change&& change_one) {
  run.key_state = Run::KeyState::Stale;
  std::uint32_t failed = 0;
  for (unsigned i = 0; i < run.packets.size(); ++i)
    if (!change_one(*run.packets[i])) failed |= std::uint32_t{1} << i;
  if (failed == 0) [[likely]]
    return;
  counters_.add(reason, static_cast<unsigned>(std::popcount(failed)));
  keep_only(run, ~failed);
}

template <typename Choose>
std::pair<Run, Run> ActionEngine::split(Run& run, Choose&& choose) {
  std::pair<Run, Run> parts{run, run};
  parts.first.packets.clear();
  parts.second.packets.clear();
  for (unsigned i = 0; i < run.packets.size(); ++i) {
    Run& part = choose(*run.packets[i]) ? parts.first : parts.second;
    part.push(run.packets[i], run.keys[i], run.places[i]);
  }
  run.packets.clear();
  return parts;
}

void ActionEngine::apply(const Output& action, Run& run, bool last) {
  std::array<std::uint32_t, limits::kBatchSize> full_size;
  if (run.truncate_to != 0)
    for (unsigned i = 0; i < run.packets.size(); ++i) {
      full_size[i] = run.packets[i]->size();
      run.packets[i]->resize(std::min(full_size[i], run.truncate_to));
    }

  if (reassembled_) [[unlikely]] {
    output_in_fragments(action.port, run);
  } else if (host_.send(action.port, run.packets)) {
    counters_.add(Counter::Sent, run.packets.size());
  } else {
    counters_.add(no_such_port(action.port), run.packets.size());
  }
  if (last) return pool_.give(run.packets);
  // Sending does not take the packet: the copy that went exists only in the counters.
  counters_.add(Counter::Copied, run.packets.size());
  run.copied = true;
  if (run.truncate_to != 0)
    for (unsigned i = 0; i < run.packets.size(); ++i) run.packets[i]->resize(full_size[i]);
  run.truncate_to = 0;
}

void ActionEngine::apply(const Userspace& action, Run& run, bool last) {
  if (handler_ == nullptr) {
    if (last) drop(run.packets, DropReason::NoHandler);
    return;
  }
  if (action.dont_send) {
    // Only an expired TTL can be of no interest to anyone; copies that went on make it finished, not dropped.
    if (last && !run.copied) drop(run.packets, DropReason::TtlExpired);
    return;
  }
  refresh_keys(run);
  for (unsigned i = 0; i < run.packets.size(); ++i)
    handler_->packet_in(*run.packets[i], *run.keys[i], action);
  counters_.add(Counter::PacketIns, run.packets.size());
  run.copied = true;
  if (!last) return;
  counters_.add(Counter::Delivered, run.packets.size());
  pool_.give(run.packets);
}

void ActionEngine::apply(const Recirc& action, Run& run, bool last) {
  if (!last) {
    // What comes later in the list comes later on the wire: the copies go their whole way now.
    flow::FlowKey keys[limits::kBatchSize];
    Run copies;
    copy(run, copies, keys);
    return recirculate_now(action.id, copies);
  }
  if (run.pass == nullptr) return recirculate_now(action.id, run);

  refresh_keys(run);
  const be32 id{action.id};
  for (unsigned i = 0; i < run.packets.size(); ++i) {
    run.packets[i]->meta.recirc_id = action.id;
    run.keys[i]->recirc_id = id;
    run.pass->again[run.places[i]] = run.packets[i];
    run.pass->again_bits |= std::uint32_t{1} << run.places[i];
  }
  counters_.add(Counter::Recirculated, run.packets.size());
  run.packets.clear();
}

void ActionEngine::recirculate_now(std::uint32_t id, Run& run) {
  refresh_keys(run);
  Pass pass;
  pass.packets = run.packets;
  pass.keys = run.keys;
  for (unsigned i = 0; i < pass.packets.size(); ++i) {
    pass.packets[i]->meta.recirc_id = id;
    pass.keys[i]->recirc_id = be32{id};
  }
  counters_.add(Counter::Recirculated, pass.packets.size());
  run.packets.clear();
  host_.run_passes(pass, run.depth + 1);
}

namespace {

/// The keys of packets that NAT has changed. `packets` are those that the run's keys belong to.
void patch_translated(const Run& run, const PacketBatch& packets) {
  constexpr std::uint32_t kTranslated =
      conntrack::ct_state::kSourceNat | conntrack::ct_state::kDestinationNat;
  for (unsigned i = 0; i < packets.size(); ++i)
    if ((packets[i]->meta.ct.state & kTranslated) != 0) flow::patch_addresses(*run.keys[i], *packets[i]);
}

}  // namespace

void ActionEngine::apply(const Ct& action, Run& run) {
  std::uint8_t fragments = 0;
  for (const Packet* p : run.packets) fragments |= p->layout.fragment;
  if (fragments != 0) [[unlikely]]
    reassemble(action.request->zone, run);

  counters_.add(Counter::Tracked, run.packets.size());
  const PacketBatch before = run.packets;
  PacketBatch dropped;
  tracker_.process(run.packets, *action.request, now_, dropped);
  if (run.key_state == Run::KeyState::Fresh) run.key_state = Run::KeyState::CtChanged;
  if (action.request->nat && run.key_state == Run::KeyState::CtChanged) patch_translated(run, before);
  if (dropped.empty()) [[likely]]
    return;
  counters_.add(DropReason::ConnectionLimit, dropped.size());
  run.packets = before;
  std::uint32_t kept = 0;
  for (unsigned i = 0; i < before.size(); ++i)
    if (std::find(dropped.begin(), dropped.end(), before[i]) == dropped.end()) kept |= std::uint32_t{1} << i;
  keep_only(run, kept);
}

void ActionEngine::apply(const SetHeader& action, Run& run) {
  change(run, DropReason::RewriteFailed, [&](Packet& p) { return set_header(p, action); });
}
void ActionEngine::apply(const PushVlan& action, Run& run) {
  change(run, DropReason::NoHeadroom, [&](Packet& p) { return push_vlan(p, action); });
}
void ActionEngine::apply(const PopVlan&, Run& run) {
  change(run, DropReason::RewriteFailed, [](Packet& p) { return pop_vlan(p); });
}
void ActionEngine::apply(const PushMpls& action, Run& run) {
  change(run, DropReason::NoHeadroom, [&](Packet& p) { return push_mpls(p, action); });
}
void ActionEngine::apply(const PopMpls& action, Run& run) {
  change(run, DropReason::RewriteFailed, [&](Packet& p) { return pop_mpls(p, action); });
}

void ActionEngine::apply(const PopEth&, Run& run) {
  change(run, DropReason::RewriteFailed, [](Packet& p) { return pop_eth(p); });
}
void ActionEngine::apply(const PushEth& action, Run& run) {
  change(run, DropReason::RewriteFailed, [&](Packet& p) { return push_eth(p, action); });
}

void ActionEngine::apply(const Hash& action, Run& run) {
  refresh_keys(run);
  for (unsigned i = 0; i < run.packets.size(); ++i) {
    run.packets[i]->meta.dp_hash = hash_l4(*run.keys[i], action);
    run.keys[i]->dp_hash = be32{run.packets[i]->meta.dp_hash};
  }
}

void ActionEngine::apply(const dp_action::Meter& action, Run& run) {
  datapath::Meter* const meter = meters_ ? meters_->find(action.id) : nullptr;
  if (!meter) return;
  std::uint32_t kept = 0;
  for (unsigned i = 0; i < run.packets.size(); ++i) {
    const datapath::Meter::Verdict verdict = meter->measure(run.packets[i]->size(), now_);
    if (verdict.drop) continue;
    kept |= std::uint32_t{1} << i;
    if (verdict.raise == 0) continue;
    run.key_state = Run::KeyState::Stale;
    raise_drop_precedence(*run.packets[i], verdict.raise);
  }
  const unsigned dropped = run.packets.size() - static_cast<unsigned>(std::popcount(kept));
  if (dropped == 0) return;
  counters_.add(DropReason::MeterExceeded, dropped);
  keep_only(run, kept);
}

void ActionEngine::branch(const Program& program, Run& run, bool last, unsigned nesting) {
  if (last) return execute(program, run, nesting + 1);
  if (program.empty() || run.packets.empty()) return;
  flow::FlowKey keys[limits::kBatchSize];
  Run copies;
  copy(run, copies, keys);
  execute(program, copies, nesting + 1);
}

void ActionEngine::apply(const Sample& action, Run& run, bool last, unsigned nesting) {
  auto [chosen, rest] = split(run, [&](const Packet&) {
    return action.probability == UINT32_MAX ||
           static_cast<std::uint32_t>(rng_.next() >> 32) < action.probability;
  });
  branch(*action.actions, chosen, last, nesting);
  join(chosen, rest, run);
}

namespace {

/// The Ethernet length of the packet, or of its largest segment or fragment if it leaves in such.
std::uint32_t segment_length(const Packet& packet) {
  const auto& offload = packet.meta.offload;
  if (packet.meta.mru != 0 && packet.layout.has_l3())
    return std::min<std::uint32_t>(packet.size(), packet.layout.l3 + packet.meta.mru);
  if (offload.gso == packet::Offload::kNoGso || packet.layout.payload == wire::Layout::kNone)
    return packet.size();
  return std::min<std::uint32_t>(packet.size(), packet.layout.payload + offload.gso_size);
}

}  // namespace

void ActionEngine::apply(const CheckPktLen& action, Run& run, bool last, unsigned nesting) {
  auto [larger, rest] = split(run, [&](const Packet& p) { return segment_length(p) > action.size; });
  branch(*action.greater, larger, last, nesting);
  branch(*action.less_equal, rest, last, nesting);
  join(larger, rest, run);
}

void ActionEngine::copy(Run& run, Run& copies, flow::FlowKey* keys) {
  copies.depth = run.depth;
  copies.key_state = run.key_state;
  copies.drop_reason = run.drop_reason;
  const unsigned n = run.packets.size();
  for (unsigned i = 0; i < n; ++i) {
    counters_.add(Counter::Copied, 1);
    if (copies_left_ == 0) {
      counters_.add(DropReason::CopyLimit, 1);
      continue;
    }
    --copies_left_;
    Packet* const made = pool_.clone(*run.packets[i]);
    if (made == nullptr) {
      counters_.add(DropReason::NoBuffer, 1);
      continue;
    }
    keys[i] = *run.keys[i];
    copies.push(made, &keys[i], 0);
  }
  run.copied = true;
}

void ActionEngine::refresh_keys(Run& run) {
  if (run.key_state == Run::KeyState::Fresh) return;
  if (run.key_state == Run::KeyState::CtChanged) {
    for (unsigned i = 0; i < run.packets.size(); ++i) flow::patch_ct(*run.keys[i], run.packets[i]->meta.ct);
  } else {
    for (unsigned i = 0; i < run.packets.size(); ++i) flow::extract(*run.packets[i], *run.keys[i]);
  }
  run.key_state = Run::KeyState::Fresh;
}

void ActionEngine::join(const Run& a, const Run& b, Run& run) {
  for (const Run* part : {&a, &b})
    for (unsigned i = 0; i < part->packets.size(); ++i)
      run.push(part->packets[i], part->keys[i], part->places[i]);
  run.copied = a.copied || b.copied;
}

}  // namespace sluice::datapath
