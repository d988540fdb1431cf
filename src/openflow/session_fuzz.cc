// Any bytes, in any pieces, to a session after its hello and before: nothing may crash it, and what it keeps
// and says stays bounded by what it was sent. The first byte of the input chooses version and pieces.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "openflow/session.h"

using namespace sluice;
using namespace sluice::openflow;

namespace {

/// Takes everything, and answers what has an answer of fixed size.
struct AnySwitch final : SessionHandler {
  Status handle(Session& session, const Message& request) override {
    if (as<DescRequest>(request)) session.reply(request, DescReply{});
    if (as<GetConfigRequest>(request)) session.reply(request, GetConfigReply{});
    if (as<PacketOut>(request)) return fail("no such port", OfError::BrcBadPort);
    return {};
  }
  BundleRoom& bundle_room() override { return room; }
  Status commit(Session&, BundleMessages& messages, const BundleFlags& flags) override {
    for (;;) {
      SLUICE_ASSIGN(const auto next, messages.next());
      if (next.prepared) --prepared;
      if (!next.message && !next.prepared) return {};
      if (!flags.atomic) return fail("table full", OfError::FmfcTableFull);
    }
  }
  Result<std::optional<std::uint64_t>> claim_role(Session&, Role,
                                                  std::optional<std::uint64_t> generation) override {
    return generation;
  }
  /// Every other message, for a share of what a session may have prepared.
  Prepared prepare(const Message& message) override {
    if ((turns++ & 1) != 0) return {};
    ++prepared;
    return {.what = this, .bytes = session_limits::kPreparedBytes / 64, .shared = {{{message.form, 1}, {}}}};
  }
  void drop(void*) override { --prepared; }
  BundleRoom room;
  int prepared = 0;  ///< that nobody has taken
  unsigned turns = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned choice = data[0];
  Bytes rest(data + 1, size - 1);
  AnySwitch handler;
  Instant now{1};
  std::optional<Session> at;
  Session& session = at.emplace(
      Session::Options{.service = (choice & 8) != 0, .probe_after = Duration::seconds(5)}, handler, now);
  if ((choice & 7) < 6) {
    const auto version = static_cast<OfVersion>(static_cast<unsigned>(k10) + (choice & 7));
    session.receive(encode(make_message(Hello{.versions = 1u << static_cast<unsigned>(version)},
                                        {.version = version}, 1)),
                    now);
    if (session.state() != Session::State::Open) std::abort();
  }
  const std::size_t piece = 1 + (choice >> 4) * 37;
  std::size_t said = 0;
  while (!rest.empty() && session.state() != Session::State::Closed) {
    const auto next = rest.first(std::min(piece, rest.size()));
    rest = rest.subspan(next.size());
    session.receive(next, now);
    said += session.take_output().size();
    now += Duration::seconds(1);
    session.tick(now);
  }
  // The largest answer to the smallest request is the description of the switch.
  constexpr std::size_t kLargestAnswer = 1100, kHellos = 4096;
  if (said > kHellos + size * kLargestAnswer) std::abort();
  at.reset();
  if (handler.prepared != 0 || handler.room.held.messages != 0 || handler.room.held.prepared != 0)
    std::abort();
  return 0;
}
