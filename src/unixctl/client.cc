#include "unixctl/client.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "io/clock.h"
#include "io/pidfile.h"
#include "io/stream.h"
#include "jsonrpc/message.h"
#include "jsonrpc/splitter.h"

namespace sluice::unixctl {
namespace {

/// An answer is one string, as long as the daemon's tables are: bounded only against a peer gone mad.
constexpr jsonrpc::SplitterLimits kAnswerLimits{.max_bytes = std::size_t{4} << 30, .max_depth = 32};

constexpr Instant kNever{std::numeric_limits<std::int64_t>::max()};

/// Waits until the socket can do `events`; false after the deadline.
bool wait_for(int fd, short events, Instant deadline) {
  const io::MonotonicClock clock;
  for (;;) {
    int timeout_ms = -1;
    if (deadline != kNever)
      timeout_ms = static_cast<int>(std::max<std::int64_t>((deadline - clock.now()).whole_milliseconds(), 0));
    pollfd wait{fd, events, 0};
    const int ready = poll(&wait, 1, timeout_ms);
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return true;  // the read or write says what is wrong
  }
}

}  // namespace

Result<std::string> find_socket(const std::string& target, const std::string& rundir) {
  if (target.empty()) return fail("no target was named");
  if (target[0] == '/') return target;
  SLUICE_ASSIGN(const pid_t pid, io::read_pidfile(fmt::format("{}/{}.pid", rundir, target)));
  return fmt::format("{}/{}.{}.ctl", rundir, target, pid);
}

Result<Client> Client::connect(const std::string& socket_path) {
  SLUICE_ASSIGN(io::UniqueFd socket, io::connect_unix(socket_path));
  return Client(std::move(socket), socket_path);
}

Result<Client::Answer> Client::call(const std::string& command, std::span<const std::string> args,
                                    Duration timeout) {
  const io::MonotonicClock clock;
  const Instant deadline = timeout.ns > 0 ? clock.now() + timeout : kNever;
  const auto timed_out = [&] { return fail(fmt::format("{}: no answer in time", path_)); };
  const auto broken = [&](const char* what) {
    return fail(fmt::format("{}: transaction error ({})", path_, what));
  };

  jsonrpc::Json params = jsonrpc::Json::array();
  for (const std::string& arg : args) params.push_back(arg);
  const int id = next_id_++;
  const std::string request =
      jsonrpc::format_message(jsonrpc::Message::request(command, std::move(params), id));
  for (std::size_t sent = 0; sent < request.size();) {
    if (!wait_for(socket_.get(), POLLOUT, deadline)) return timed_out();
    const ssize_t n =
        ::send(socket_.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return broken(std::strerror(errno));
    sent += static_cast<std::size_t>(n);
  }

  jsonrpc::Splitter splitter(kAnswerLimits);
  std::vector<char> buffer(1 << 18);
  for (;;) {
    if (!wait_for(socket_.get(), POLLIN, deadline)) return timed_out();
    const ssize_t n = recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return broken(std::strerror(errno));
    if (n == 0) return broken("End of file");
    splitter.feed({buffer.data(), static_cast<std::size_t>(n)});
    SLUICE_ASSIGN(const auto text, splitter.next());
    if (!text) continue;
    SLUICE_ASSIGN(jsonrpc::Message message, jsonrpc::parse_message(*text));
    if (message.id != id) return broken("an answer to another request");
    const bool refused = message.kind == jsonrpc::Message::Kind::Error;
    jsonrpc::Json body = std::move(refused ? message.error : message.result);
    // A daemon that was asked for JSON wraps its texts.
    if (body.is_object() && body.contains("reply")) {
      jsonrpc::Json wrapped = std::move(body["reply"]);
      body = wrapped.is_string() ? std::move(wrapped) : jsonrpc::Json(wrapped.dump());
    }
    if ((!refused && message.kind != jsonrpc::Message::Kind::Reply) || !body.is_string())
      return broken("the answer is not a text");
    return Answer{std::move(body.get_ref<std::string&>()), refused};
  }
}

}  // namespace sluice::unixctl
