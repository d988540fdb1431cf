#include "ofproto/link.h"

#include <algorithm>

namespace sluice::ofproto {

namespace {

/// How long a peer that is told why its session ends may take to read it.
constexpr Duration kLastWords = Duration::seconds(2);

}  // namespace

Link::Link(io::EventLoop& loop, std::unique_ptr<io::Stream> stream, Peer::Options options,
           openflow::SessionHandler& handler, Sessions& sessions, LinkOwner& owner)
    : loop_(loop),
      stream_(std::move(stream)),
      owner_(owner),
      soon_(loop),
      time_(loop),
      peer_(std::move(options), handler, sessions, *this, loop.clock().now()) {
  stream_->set_max_queued(peer_limits::kMaxOutputBytes);
  stream_->set_on_sent([this] {
    if (peer_.has_room()) turn();
  });
  stream_->start([this](Bytes bytes) { received(bytes); },
                 [this](const Status& status) {
                   const auto& why = peer_.session().reason();
                   end(!why.empty() ? why : status ? "" : status.error().message);
                 });
  watch_time();
}

void Link::output_ready() {
  if (soon_pending_) return;
  soon_pending_ = true;
  soon_.start({}, [this] { turn(); });
}

void Link::received(Bytes bytes) {
  peer_.receive(bytes, loop_.clock().now());
  // One turn at a time: what is to be served soon waits for it.
  if (!soon_pending_) turn();
}

void Link::turn() {
  if (finishing_) return;
  soon_pending_ = true;  // whatever is said from here on goes out below
  const bool more = peer_.serve(loop_.clock().now());
  send_output();
  soon_pending_ = false;
  if (peer_.session().state() == openflow::Session::State::Closed) {
    finishing_ = true;
    stream_->finish();
    time_.start(kLastWords, [this] { end(peer_.session().reason()); });
    return;
  }
  if (more || !peer_.has_room())
    stream_->pause();
  else
    stream_->resume();
  if (more) output_ready();
  watch_time();
  if (open() && !std::exchange(opened_, true)) owner_.opened(*this);
  owner_.served(*this);
}

void Link::send_output() {
  const auto output = peer_.take_output();
  stream_->send(std::string(output.begin(), output.end()));
}

/// The deadline moves with every message: the timer stays where it is and looks again when it fires.
void Link::watch_time() {
  const auto due = peer_.deadline();
  if (!due || (timer_due_ && *timer_due_ <= *due)) return;
  timer_due_ = due;
  time_.start(std::max(Duration{}, *due - loop_.clock().now()), [this] {
    timer_due_.reset();
    peer_.tick(loop_.clock().now());
    turn();
  });
}

void Link::end(std::string why) {
  if (!std::exchange(ended_, true)) owner_.ended(*this, std::move(why));
}

}  // namespace sluice::ofproto
