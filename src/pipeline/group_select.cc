// Part of Translator: groups, bundle and multipath, the actions that choose among ways out.
//
// A bucket is an action set that runs on a copy of the packet; what it wrote to the packet ends with it, what
// it wrote to the pipeline's own action set stays. A select group spreads packets by dp_hash where its
// weights allow it: the datapath hashes the packet, the packet comes back, and the low bits of the hash are
// the bucket's slot, so that one megaflow a slot suffices. Otherwise, and with selection_method=hash, the
// fields that are hashed here are un-wildcarded and the bucket with the highest hash times weight is taken.
#include <fmt/core.h>

#include <algorithm>

#include "action/all_actions.h"
#include "pipeline/action_set.h"
#include "pipeline/packet_hash.h"
#include "pipeline/translator.h"

namespace sluice::pipeline {

using packet::DropReason;
using Kind = Trace::Kind;
namespace of_port = action::of_port;

bool Translator::port_is_live(std::uint32_t port) const {
  const PortInfo* info = here_.ports->find(port);
  return info && info->is_live();
}

bool Translator::bucket_is_live(const action::Bucket& bucket, unsigned depth) const {
  const bool watches_port = bucket.watch_port != of_port::kNone,
             watches_group = bucket.watch_group != action::group_id::kAny;
  if (!watches_port && !watches_group) return true;
  if (watches_port && port_is_live(bucket.watch_port)) return true;
  // A group is live if any of its buckets is. Groups may watch each other in a circle.
  if (!watches_group || depth >= kMaxResubmitDepth) return false;
  const Group* group = here_.tables->find_group(bucket.watch_group, here_.version);
  return group && std::any_of(group->spec().buckets.begin(), group->spec().buckets.end(),
                              [&](const action::Bucket& b) {
                                return watched_ < kMaxWatched && ++watched_ != 0 &&
                                       bucket_is_live(b, depth + 1);
                              });
}

void Translator::group(std::uint32_t id) {
  const Group* group = here_.tables->find_group(id, here_.version);
  if (!group) {
    hint(DropReason::NoOutput);
    note(Kind::Warning, fmt::format("output to nonexistent group {}", id));
    return;
  }
  if (!resources_left()) return;
  const auto& buckets = group->spec().buckets;
  switch (group->spec().type) {
    case action::GroupType::All:
    case action::GroupType::Indirect:
      credits_.add_traffic(group->stats());
      for (std::size_t i = 0; i < buckets.size() && !error_; ++i) run_bucket(*group, i);
      return;
    case action::GroupType::FastFailover: {
      const auto live = std::find_if(buckets.begin(), buckets.end(),
                                     [&](const action::Bucket& bucket) { return bucket_is_live(bucket, 0); });
      return run_chosen(*group, live == buckets.end()
                                    ? std::nullopt
                                    : std::optional(static_cast<std::size_t>(live - buckets.begin())));
    }
    case action::GroupType::Select:
      if (group->uses_dp_hash())
        select_by_dp_hash(*group);
      else
        select_by_fields(*group);
      return;
  }
}

void Translator::select_by_dp_hash(const Group& group) {
  if (flow_.dp_hash.raw() == 0) {
    // The packet comes back to this action with its hash.
    note(Kind::Detail, "the datapath hashes the packet, which comes back for its bucket");
    freezing_ = true;
    frozen_hash_ = dp_action::Hash{.basis = group.basis(), .symmetric = group.symmetric()};
    frozen_rest_.push_back(action::Group{group.id()});
    return;
  }
  mask_.bits.dp_hash = mask_.bits.dp_hash | be32{group.slot_mask()};
  const std::uint32_t hash = flow_.dp_hash.host();
  // A slot whose bucket is dead is served by the next one that is not.
  for (std::uint32_t i = 0; i <= group.slot_mask(); ++i) {
    const unsigned bucket = group.bucket_of(hash + i);
    if (bucket_is_live(group.spec().buckets[bucket], 0)) return run_chosen(group, bucket);
  }
  run_chosen(group, std::nullopt);
}

void Translator::select_by_fields(const Group& group) {
  const action::GroupSpec& spec = group.spec();
  const std::uint32_t hash = spec.fields.empty()
                                 ? hash_packet(flow_, HashFields::SymmetricL4,
                                               static_cast<std::uint32_t>(spec.selection_param), mask_)
                                 : hash_packet(flow_, spec.fields, spec.selection_param, mask_);
  std::optional<std::size_t> best;
  std::uint64_t best_score = 0;
  for (std::size_t i = 0; i < spec.buckets.size(); ++i) {
    const action::Bucket& bucket = spec.buckets[i];
    if (!bucket_is_live(bucket, 0)) continue;
    const std::uint64_t score = std::uint64_t{hash_pair(hash, bucket.id) & 0xffff} * bucket.weight;
    note(Kind::Detail, fmt::format("bucket {}: score {}", bucket.id, score));
    if (score > best_score) {
      best = i;
      best_score = score;
    }
  }
  run_chosen(group, best);
}

void Translator::run_chosen(const Group& group, std::optional<std::size_t> bucket) {
  if (!bucket) {
    hint(DropReason::NoLiveBucket);
    note(Kind::Detail, "no live bucket");
    return;
  }
  note(Kind::Detail, fmt::format("using bucket {}", group.spec().buckets[*bucket].id));
  credits_.add_traffic(group.stats());
  run_bucket(group, *bucket);
}

void Translator::run_bucket(const Group& group, std::size_t index) {
  const action::Bucket& bucket = group.spec().buckets[index];
  if (tracing()) input_.trace->open(Kind::Bucket, fmt::format("bucket {}", bucket.id));
  credits_.add_traffic(group.bucket_stats(index));
  const flow::FlowKey own_flow = flow_;
  const bool own_conntracked = conntracked_, own_was_mpls = was_mpls_, own_last = last_;
  const bool own_in_bucket = std::exchange(in_bucket_, true);
  const std::optional<std::uint8_t> own_next = next_table_;
  ++depth_;
  ++resubmits_;
  last_ = false;  // the packet goes on behind the group
  dp_action::Program* const own_program = program_;
  const flow::FlowKey own_base = base_;
  const bool own_hid_tag = std::exchange(hid_tag_, false);
  dp_action::Program inner;
  program_ = &inner;
  run_list(in_order(bucket.actions));
  if (freezing_ && !error_) finish_freezing(nullptr);
  program_ = own_program;
  if (hid_tag_) {
    emit(dp_action::Clone{std::move(inner)});
    base_ = own_base;
  } else {
    for (dp_action::DpAction& action : inner) emit(std::move(action));
  }
  hid_tag_ = own_hid_tag;
  --depth_;
  in_bucket_ = own_in_bucket;
  last_ = own_last;
  next_table_ = own_next;
  exit_ = false;
  was_mpls_ = own_was_mpls;
  conntracked_ = own_conntracked;
  flow_ = own_flow;
  copy_conntrack(flow_, base_);
  if (tracing()) input_.trace->close();
}

// --- bundle, bundle_load, multipath

void Translator::bundle(const action::Bundle& bundle) {
  enum Algorithm : std::uint16_t { kActiveBackup, kHrw };
  std::optional<std::uint32_t> chosen;
  if (bundle.algorithm == kActiveBackup) {
    for (const std::uint32_t port : bundle.members)
      if (!chosen && port_is_live(port)) chosen = port;
  } else {
    const std::uint32_t hash =
        hash_packet(flow_, static_cast<HashFields>(bundle.fields), bundle.basis, mask_);
    std::uint32_t best = 0;
    for (std::size_t i = 0; i < bundle.members.size(); ++i) {
      const std::uint32_t score = hash_pair(hash, static_cast<std::uint32_t>(i));
      if (!port_is_live(bundle.members[i]) || (chosen && score <= best)) continue;
      chosen = bundle.members[i];
      best = score;
    }
  }
  if (bundle.destination) {
    write(*bundle.destination,
          chosen.value_or(of_port::kNone) & 0xffff & field::ones(bundle.destination->width));
    if (tracing()) tell_value(*bundle.destination);
  } else if (chosen) {
    output(*chosen, 0);
  } else {
    hint(DropReason::NoLiveBucket);
  }
}

void Translator::multipath(const action::Multipath& multipath) {
  enum Algorithm : std::uint16_t { kModuloN, kHashThreshold, kHrw, kIterHash };
  constexpr std::uint32_t kMostForHrw = 64;
  const std::uint32_t links = std::uint32_t{multipath.max_link} + 1;
  const std::uint32_t hash =
      hash_packet(flow_, static_cast<HashFields>(multipath.fields), multipath.basis, mask_);
  std::uint32_t link = 0;
  const auto by_threshold = [&] { return static_cast<std::uint32_t>(std::uint64_t{hash} * links >> 32); };
  switch (multipath.algorithm) {
    case kModuloN:
      link = hash % links;
      break;
    case kHashThreshold:
      link = by_threshold();
      break;
    case kHrw:
      if (links > kMostForHrw) {
        link = by_threshold();
      } else {
        for (std::uint32_t i = 1; i < links; ++i)
          if (hash_pair(hash, i) > hash_pair(hash, link)) link = i;
      }
      break;
    case kIterHash: {
      // An argument that would make many rounds likely is replaced by the power of two above.
      std::uint32_t modulus = multipath.arg;
      if (modulus < links || modulus / 2 > links) {
        modulus = 1;
        while (modulus < links) modulus *= 2;
      }
      std::uint32_t round = 0;
      do link = hash_pair(hash, ++round) % modulus;
      while (link >= links);
      break;
    }
    default:
      break;
  }
  write(multipath.destination, link & field::ones(multipath.destination.width));
  if (tracing()) tell_value(multipath.destination);
}

}  // namespace sluice::pipeline
