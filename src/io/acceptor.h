// Private to io: accepts on a listening socket, a bounded number of clients at a time.
#pragma once

#include <functional>
#include <memory>

#include "io/event_loop.h"
#include "io/unique_fd.h"

namespace sluice::io {

class Acceptor {
 public:
  using OnSocket = std::function<void(UniqueFd)>;

  Acceptor(EventLoop& loop, UniqueFd socket, OnSocket on_socket);

  int socket() const { return socket_.get(); }

 private:
  void watch();
  void accept_all();

  EventLoop& loop_;
  UniqueFd socket_;
  OnSocket on_socket_;
  std::unique_ptr<ReadWatch> watch_;  ///< before the socket goes
  Timer retry_;                       ///< after the process ran out of descriptors
};

}  // namespace sluice::io
