#include "ovsdb/client.h"

#include "jsonrpc/connection.h"

namespace sluice::ovsdb {

Client::Client(io::EventLoop& loop, io::Remote remote, io::TlsContext* tls, SessionOptions options,
               log::Logger logger, std::function<void()> on_news)
    : loop_(loop),
      remote_(std::move(remote)),
      tls_(tls),
      logger_(logger),
      on_news_(std::move(on_news)),
      session_(std::move(options)),
      reconnect_(kMaxBackoff),
      timer_(loop) {}

Client::~Client() = default;

void Client::start() {
  reconnect_.enable(loop_.clock().now());
  poll();
}

bool Client::idle() const {
  return connection_ == nullptr || connection_->queued() == 0;
}

void Client::transact(const Transaction& transaction, Session::OnOutcome on_outcome) {
  session_.transact(transaction, std::move(on_outcome));
  send_output();
}

void Client::poll() {
  const Instant now = loop_.clock().now();
  switch (reconnect_.poll(now)) {
    case io::Reconnect::Step::Connect:
      connect();
      break;
    case io::Reconnect::Step::Abandon:
      disconnected("connection attempt timed out");
      return;
    case io::Reconnect::Step::None:
      break;
  }
  if (auto status = session_.poll(now); !status) return disconnected(status.error().message);
  send_output();
  wait();
}

void Client::wait() {
  auto due = reconnect_.deadline();
  if (const auto probe = session_.deadline(); probe && (!due || *probe < *due)) due = probe;
  if (!due) return timer_.cancel();
  const Instant now = loop_.clock().now();
  timer_.start(*due > now ? *due - now : Duration{}, [this] { poll(); });
}

void Client::connect() {
  connector_ = std::make_unique<io::Connector>(loop_, remote_, tls_,
                                               [this](Result<std::unique_ptr<io::Stream>> stream) {
                                                 if (stream)
                                                   connected(std::move(*stream));
                                                 else
                                                   disconnected(stream.error().message);
                                               });
}

void Client::connected(std::unique_ptr<io::Stream> stream) {
  connector_.reset();
  const Instant now = loop_.clock().now();
  reconnect_.connected(now);
  logger_.info("{}: connected", remote_.text);
  last_failure_.clear();
  connection_ = std::make_unique<jsonrpc::Connection>(
      std::move(stream), jsonrpc::SplitterLimits{},
      [this](const jsonrpc::Message& message) { received(message); },
      [this](const Status& status) {
        disconnected(status ? "the server closed the connection" : status.error().message);
      });
  session_.connected(now);
  send_output();
  wait();
  on_news_();
}

void Client::disconnected(const std::string& why) {
  const bool was_connected = connection_ != nullptr;
  connector_.reset();
  connection_.reset();
  reconnect_.disconnected(loop_.clock().now(), why);
  if (was_connected || why != last_failure_) logger_.info("{}: {}", remote_.text, why);
  last_failure_ = why;
  session_.disconnected();
  wait();
  if (was_connected) on_news_();
}

void Client::received(const jsonrpc::Message& message) {
  const auto state = session_.state();
  const auto lock = session_.has_lock();
  const auto pending = session_.pending_transactions();
  if (auto status = session_.input(message, loop_.clock().now()); !status) {
    logger_.warn("{}: {}; connecting again", remote_.text, status.error().message);
    return disconnected("the server sent nonsense");
  }
  send_output();
  wait();
  const bool news = session_.has_changes() || state != session_.state() || lock != session_.has_lock() ||
                    pending != session_.pending_transactions();
  if (news) on_news_();
}

void Client::send_output() {
  for (const auto& message : session_.take_output())
    if (connection_) connection_->send(message);
}

}  // namespace sluice::ovsdb
