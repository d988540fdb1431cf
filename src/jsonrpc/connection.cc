#include "jsonrpc/connection.h"

#include <fmt/core.h>

namespace sluice::jsonrpc {

Connection::Connection(std::unique_ptr<io::Stream> stream, SplitterLimits limits, OnMessage on_message,
                       OnClose on_close)
    : stream_(std::move(stream)),
      splitter_(limits),
      on_message_(std::move(on_message)),
      on_close_(std::move(on_close)) {
  stream_->start([this](Bytes bytes) { received(bytes); },
                 [this](Status status) {
                   if (const OnClose call = std::move(on_close_)) call(std::move(status));
                 });
}

Connection::~Connection() {
  if (destroyed_ != nullptr) *destroyed_ = true;
}

void Connection::received(Bytes bytes) {
  splitter_.feed({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  bool destroyed = false;
  destroyed_ = &destroyed;
  const OnMessage handle = on_message_;
  while (!destroyed) {
    auto text = splitter_.next();
    if (text && !*text) break;
    Result<Message> message = text ? parse_message(**text) : tl::unexpected(text.error());
    if (!message) {
      destroyed_ = nullptr;
      stream_.reset();  // no further callback from below
      if (const OnClose call = std::move(on_close_))
        call(fail(fmt::format("bad JSON-RPC message: {}", message.error().message)));
      return;
    }
    handle(std::move(*message));
  }
  if (!destroyed) destroyed_ = nullptr;
}

void Connection::send(const Message& message) {
  send_part(format_message(message));
}
void Connection::send_part(std::string text) {
  if (stream_) stream_->send(std::move(text));
}
void Connection::finish() {
  if (stream_) stream_->finish();
}
std::size_t Connection::queued() const {
  return stream_ ? stream_->queued() : 0;
}
std::string Connection::name() const {
  return stream_ ? stream_->name() : std::string();
}

}  // namespace sluice::jsonrpc
