// Private to io: the Asio context behind EventLoop. The only header that includes Asio.
#pragma once

#define ASIO_STANDALONE
#define ASIO_NO_DEPRECATED
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <memory>
#include <set>
#include <vector>

#include "io/clock.h"
#include "io/event_loop.h"

namespace sluice::io {

/// What leaps with the loop.
class Leaper {
 public:
  virtual void leap(Duration by) = 0;

 protected:
  ~Leaper() = default;
};

struct EventLoop::Impl {
  asio::io_context context{1};
  WarpClock clock;
  std::set<Leaper*> leapers;
  std::vector<std::unique_ptr<asio::signal_set>> signals;  ///< destroyed before the context
};

}  // namespace sluice::io
