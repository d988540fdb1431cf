#include "io/reconnect.h"

#include <algorithm>

namespace sluice::io {

void Reconnect::set_max_backoff(Duration max_backoff) {
  max_backoff_ = std::max(max_backoff, kFirstBackoff);
  backoff_ = std::min(backoff_, max_backoff_);
}

void Reconnect::enable(Instant now) {
  if (status_.state != State::Void) return;
  status_.state = State::Backoff;
  due_ = now;
}

void Reconnect::disable() {
  status_.state = State::Void;
  backoff_ = {};
  due_.reset();
}

Reconnect::Step Reconnect::poll(Instant now) {
  if (!due_ || now < *due_) return Step::None;
  due_.reset();
  if (status_.state == State::Connecting) return Step::Abandon;
  status_.state = State::Connecting;
  ++status_.attempts;
  due_ = now + std::max(backoff_, kFirstBackoff);
  return Step::Connect;
}

std::optional<Instant> Reconnect::deadline() const {
  return due_;
}

void Reconnect::connected(Instant now) {
  status_.state = State::Active;
  status_.connected_at = now;
  ++status_.successes;
  due_.reset();
}

void Reconnect::disconnected(Instant now, std::string error) {
  if (status_.state == State::Void) return;
  const bool lasted = status_.state == State::Active && now - *status_.connected_at > backoff_;
  backoff_ = lasted || backoff_ == Duration{} ? kFirstBackoff : std::min(backoff_ * 2, max_backoff_);
  if (status_.state == State::Active) status_.disconnected_at = now;
  if (!error.empty()) status_.last_error = std::move(error);
  status_.state = State::Backoff;
  due_ = now + backoff_;
}

void Reconnect::hurry(Instant now) {
  backoff_ = {};
  if (status_.state == State::Backoff) due_ = now;
}

}  // namespace sluice::io
