// fail_mode standalone of a bridge that has controllers: when none has been there for three times the
// inactivity probe, the bridge has to switch by itself, until one is back.
// Source: ovs-vswitchd.conf.db(5), Bridge, "fail_mode". Main thread, no clock.
#pragma once

#include <optional>

#include "base/clock.h"

namespace sluice::ofproto {

class FailOpen {
 public:
  /// @param wanted  standalone, and there are controllers
  /// @return whether the bridge is to stand alone now
  bool update(bool wanted, bool connected, Duration probe, Instant now) {
    constexpr Duration kWhenNotProbed = Duration::seconds(5);
    if (!wanted || connected) {
      alone_since_.reset();
      due_.reset();
      return false;
    }
    if (!alone_since_) alone_since_ = now;
    due_ = *alone_since_ + (probe == Duration{} ? kWhenNotProbed : probe) * 3;
    return now >= *due_;
  }
  /// When update() may answer otherwise though nothing happened.
  std::optional<Instant> deadline() const { return due_; }

 private:
  std::optional<Instant> alone_since_, due_;
};

}  // namespace sluice::ofproto
