// For tests: a switch that answers what a test wants to ask, and remembers who asked.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ofproto/sessions.h"
#include "openflow/session.h"

namespace sluice::ofproto {

struct FakeSwitch final : openflow::SessionHandler {
  explicit FakeSwitch(Sessions& s) : sessions(s) {}

  Status handle(openflow::Session& session, const openflow::Message& request) override {
    requests.emplace_back(request.form->name);
    if (on_request) on_request();
    if (openflow::as<openflow::DescRequest>(request))
      session.reply(request, openflow::DescReply{.manufacturer = std::string(description_bytes, 'm')});
    return {};
  }
  openflow::BundleRoom& bundle_room() override { return room; }
  Status commit(openflow::Session&, openflow::BundleMessages&, const openflow::BundleFlags&) override {
    return {};
  }
  Result<std::optional<std::uint64_t>> claim_role(openflow::Session& session, openflow::Role role,
                                                  std::optional<std::uint64_t> generation) override {
    return sessions.claim_role(session, role, generation);
  }
  void forget(openflow::Session&) override { ++forgotten; }
  bool keeps(const openflow::Session& session) const override { return &session == kept; }

  Sessions& sessions;
  openflow::BundleRoom room;
  std::vector<std::string> requests;
  std::function<void()> on_request;
  std::size_t description_bytes = 10;  ///< of 255
  unsigned forgotten = 0;
  const openflow::Session* kept = nullptr;
};

}  // namespace sluice::ofproto
