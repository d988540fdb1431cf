#include "l2/lacp.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "net/endian.h"

namespace sluice::l2 {
namespace {

// Layout of a LACPDU in its frame (section 5.4.2.2).
constexpr std::size_t kSubtypeAt = 14, kActorAt = 16, kPartnerAt = 36, kCollectorAt = 56;
constexpr std::uint8_t kLacpSubtype = 1, kMarkerSubtype = 2, kVersion = 1;
constexpr std::uint8_t kActorType = 1, kPartnerType = 2, kCollectorType = 3, kEndLength = 20,
                       kCollectorLength = 16;
constexpr std::uint16_t kSlowProtocols = 0x8809;

// Bits of a state, in the order of their names.
constexpr std::uint8_t kActivity = 0x01, kTimeout = 0x02, kAggregation = 0x04, kSynchronized = 0x08,
                       kCollecting = 0x10, kDistributing = 0x20, kDefaulted = 0x40, kExpired = 0x80;
constexpr std::string_view kStateNames[] = {"activity",   "timeout",      "aggregation", "synchronized",
                                            "collecting", "distributing", "defaulted",   "expired"};

// Section 5.4.4.
constexpr Duration kFastPeriodic = Duration::seconds(1), kSlowPeriodic = Duration::seconds(30);
constexpr Duration kShortTimeout = Duration::seconds(3), kLongTimeout = Duration::seconds(90);

std::string format_state(std::uint8_t state) {
  std::string text;
  for (unsigned bit = 0; bit < 8; ++bit)
    if ((state >> bit & 1) != 0) text += " " + std::string(kStateNames[bit]);
  return text;
}

template <typename End>
End read_end(const std::uint8_t* at) {
  End end;
  end.system_priority = be16::load(at + 2).host();
  std::copy_n(at + 4, 6, end.system.bytes.begin());
  end.key = be16::load(at + 10).host();
  end.port_priority = be16::load(at + 12).host();
  end.port = be16::load(at + 14).host();
  end.state = at[16];
  return end;
}

template <typename End>
void write_end(std::uint8_t type, const End& end, std::uint8_t* at) {
  at[0] = type;
  at[1] = kEndLength;
  be16{end.system_priority}.store(at + 2);
  std::copy(end.system.bytes.begin(), end.system.bytes.end(), at + 4);
  be16{end.key}.store(at + 10);
  be16{end.port_priority}.store(at + 12);
  be16{end.port}.store(at + 14);
  at[16] = end.state;
}

}  // namespace

bool Lacp::End::same_but_state(const End& other) const {
  return system_priority == other.system_priority && system == other.system && key == other.key &&
         port_priority == other.port_priority && port == other.port;
}

void Lacp::configure(const LacpSettings& settings, const std::map<std::uint32_t, LacpMember>& members,
                     Instant now) {
  std::erase_if(members_, [&](const auto& member) { return !members.contains(member.first); });
  const bool changed = !(settings_ == settings);
  settings_ = settings;
  for (const auto& [port, wanted] : members) {
    const auto [it, added] = members_.try_emplace(port);
    Member& member = it->second;
    const bool renewed = added || changed || !(member.settings == wanted);
    member.settings = wanted;
    if (renewed && !added && member.up) expire(member, now);
  }
  select();
}

void Lacp::set_link(std::uint32_t port, bool up, Instant now) {
  const auto it = members_.find(port);
  if (it == members_.end() || it->second.up == up) return;
  Member& member = it->second;
  member.up = up;
  ++member.statistics.carrier;
  if (up) {
    expire(member, now);
  } else {
    member.heard = Heard::Defaulted;
    member.partner = {};
    member.silent_at.reset();
  }
  select();
}

/// Section 5.4.12, state EXPIRED: the partner has three seconds to speak.
void Lacp::expire(Member& member, Instant now) {
  member.heard = Heard::Expired;
  member.partner.state = static_cast<std::uint8_t>((member.partner.state | kTimeout) & ~kSynchronized);
  member.silent_at = now + kShortTimeout;
}

void Lacp::receive(std::uint32_t port, Bytes frame, Instant now) {
  const auto it = members_.find(port);
  if (it == members_.end()) return;
  Member& member = it->second;
  ++member.statistics.received;
  if (frame.size() > kSubtypeAt && frame[kSubtypeAt] == kMarkerSubtype) {
    ++member.statistics.markers;
    return;
  }
  if (frame.size() < kLacpFrameBytes || frame[kSubtypeAt] != kLacpSubtype || frame[kActorAt] != kActorType ||
      frame[kActorAt + 1] != kEndLength || frame[kPartnerAt] != kPartnerType ||
      frame[kPartnerAt + 1] != kEndLength) {
    ++member.statistics.bad;
    return;
  }
  member.partner = read_end<End>(frame.data() + kActorAt);
  member.told = read_end<End>(frame.data() + kPartnerAt);
  member.heard = Heard::Current;
  member.silent_at = now + (settings_.fast ? kShortTimeout : kLongTimeout);
  select();
}

std::vector<Lacp::Outgoing> Lacp::run(Instant now) {
  for (auto& [port, member] : members_) {
    if (!member.silent_at || now < *member.silent_at) continue;
    if (member.heard == Heard::Current) {
      ++member.statistics.expired;
      expire(member, now);
    } else {
      ++member.statistics.defaulted;
      member.heard = Heard::Defaulted;
      member.partner = {};
      member.silent_at.reset();
    }
  }
  select();
  std::vector<Outgoing> out;
  for (auto& [port, member] : members_) {
    if (!must_send(member, now)) continue;
    out.push_back({port, compose(member)});
    member.sent = actor(member);
    member.sent_at = now;
    ++member.statistics.sent;
  }
  return out;
}

bool Lacp::must_send(const Member& member, Instant now) const {
  if (!member.up || (!settings_.active && !(member.partner.state & kActivity))) return false;
  if (!member.sent_at) return true;
  const End now_actor = actor(member);
  const bool news =
      !(member.sent == now_actor) ||
      (member.heard == Heard::Current &&
       (!member.told.same_but_state(now_actor) || ((member.told.state ^ now_actor.state) & kSynchronized)));
  // What is new is told at once, but not more often than the protocol allows (three frames a second).
  constexpr Duration kLeast = Duration::milliseconds(333);
  if (news) return now - *member.sent_at >= kLeast;
  const bool often = member.heard != Heard::Current || (member.partner.state & kTimeout) != 0;
  return now - *member.sent_at >= (often ? kFastPeriodic : kSlowPeriodic);
}

/// The member whose partner the others must share: the one of the best priority that has one.
const Lacp::Member* Lacp::lead() const {
  const Member* best = nullptr;
  for (const auto& [port, member] : members_) {
    if (!member.up || member.heard == Heard::Defaulted) continue;
    // One that is expected to lead from nowhere waits for those whose partner is known.
    const auto rank = [](const Member& m) {
      return std::tuple(m.heard != Heard::Current, m.settings.priority, m.settings.number);
    };
    if (!best || rank(member) < rank(*best)) best = &member;
  }
  return best;
}

void Lacp::select() {
  const Member* const first = lead();
  for (auto& [port, member] : members_) {
    if (!member.up)
      member.attached = false;
    else if (member.heard == Heard::Defaulted)
      member.attached = settings_.falls_back || first == nullptr;
    else
      member.attached =
          member.partner.key == first->partner.key && member.partner.system == first->partner.system;
  }
}

Lacp::End Lacp::actor(const Member& member) const {
  End end;
  end.system_priority = settings_.system_priority;
  end.system = settings_.system;
  end.key = key();
  end.port_priority = member.settings.priority;
  end.port = member.settings.number;
  if (settings_.active) end.state |= kActivity;
  if (settings_.fast) end.state |= kTimeout;
  if (members_.size() > 1) end.state |= kAggregation;
  if (member.attached) end.state |= kSynchronized | kCollecting | kDistributing;
  if (member.heard == Heard::Defaulted) end.state |= kDefaulted;
  if (member.heard == Heard::Expired) end.state |= kExpired;
  return end;
}

LacpFrame Lacp::compose(const Member& member) const {
  LacpFrame frame{};
  constexpr std::array<std::uint8_t, 6> kGroup = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x02};
  std::copy(kGroup.begin(), kGroup.end(), frame.begin());
  std::copy(member.settings.mac.bytes.begin(), member.settings.mac.bytes.end(), frame.begin() + 6);
  be16{kSlowProtocols}.store(frame.data() + 12);
  frame[kSubtypeAt] = kLacpSubtype;
  frame[kSubtypeAt + 1] = kVersion;
  write_end(kActorType, actor(member), frame.data() + kActorAt);
  write_end(kPartnerType, member.partner, frame.data() + kPartnerAt);
  frame[kCollectorAt] = kCollectorType;
  frame[kCollectorAt + 1] = kCollectorLength;
  be16{0xffff}.store(frame.data() + kCollectorAt + 2);
  return frame;
}

std::uint16_t Lacp::key() const {
  if (settings_.key != 0 || members_.empty()) return settings_.key;
  std::uint16_t lowest = 0xffff;
  for (const auto& [port, member] : members_) lowest = std::min(lowest, member.settings.number);
  return lowest;
}

const Lacp::Member* Lacp::find(std::uint32_t port) const {
  const auto it = members_.find(port);
  return it == members_.end() ? nullptr : &it->second;
}

LacpStatus Lacp::status() const {
  return lead() ? LacpStatus::Negotiated : LacpStatus::Configured;
}

bool Lacp::may_enable(std::uint32_t port) const {
  const Member* const member = find(port);
  if (!member || !member->up || !member->attached) return false;
  if (member->heard == Heard::Defaulted) return settings_.falls_back && !lead();
  return (member->partner.state & kSynchronized) != 0;
}

bool Lacp::is_current(std::uint32_t port) const {
  const Member* const member = find(port);
  return member && member->heard == Heard::Current;
}

std::string Lacp::format_status() const {
  return std::string(settings_.active ? "active" : "passive") + (lead() ? " negotiated" : "");
}

std::string Lacp::show() const {
  std::string text =
      fmt::format("  status: {}\n  sys_id: {}\n  sys_priority: {}\n  aggregation key: {}\n  lacp_time: {}\n",
                  format_status(), net::format_mac(settings_.system), settings_.system_priority, key(),
                  settings_.fast ? "fast" : "slow");
  const auto show_end = [&](const char* who, const End& end) {
    text += fmt::format(
        "\n  {0} sys_id: {1}\n  {0} sys_priority: {2}\n  {0} port_id: {3}\n  {0} port_priority: {4}\n  {0} "
        "key: {5}\n"
        "  {0} state:{6}\n",
        who, net::format_mac(end.system), end.system_priority, end.port, end.port_priority, end.key,
        format_state(end.state));
  };
  std::vector<const std::pair<const std::uint32_t, Member>*> by_name;
  for (const auto& member : members_) by_name.push_back(&member);
  std::sort(by_name.begin(), by_name.end(),
            [](const auto* a, const auto* b) { return a->second.settings.name < b->second.settings.name; });
  for (const auto* entry : by_name) {
    const auto& [port, member] = *entry;
    constexpr std::string_view kHeard[] = {"current", "expired", "defaulted"};
    text += fmt::format("\nmember: {}: {} {}\n  port_id: {}\n  port_priority: {}\n  may_enable: {}\n",
                        member.settings.name, kHeard[static_cast<unsigned>(member.heard)],
                        member.attached ? "attached" : "detached", member.settings.number,
                        member.settings.priority, may_enable(port));
    show_end("actor", actor(member));
    show_end("partner", member.partner);
  }
  return text;
}

std::string Lacp::show_statistics() const {
  std::string text;
  for (const auto& [port, member] : members_) {
    const Statistics& s = member.statistics;
    text += fmt::format(
        "\nmember: {}:\n  TX PDUs: {}\n  RX PDUs: {}\n  RX Bad PDUs: {}\n  RX Marker Request PDUs: {}\n"
        "  Link Expired: {}\n  Link Defaulted: {}\n  Carrier Status Changed: {}\n",
        member.settings.name, s.sent, s.received, s.bad, s.markers, s.expired, s.defaulted, s.carrier);
  }
  return text;
}

}  // namespace sluice::l2
