#include "unixctl/server.h"

#include <fmt/core.h>

#include <deque>
#include <vector>

#include "io/stream.h"
#include "jsonrpc/connection.h"

namespace sluice::unixctl {
namespace {

/// Requests of one client that may wait while one is being answered.
constexpr std::size_t kMaxWaitingRequests = 64;
/// A request carries a packet or a flow at most, never a table.
constexpr jsonrpc::SplitterLimits kRequestLimits{.max_bytes = std::size_t{16} << 20, .max_depth = 32};

/// Texts end with a newline, unless empty: ovs-appctl prints them as they are.
std::string as_lines(std::string text) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

}  // namespace

struct Server::Impl {
  class Session;
  /// The way back of one answer; the session cuts it when it ends first.
  class Answer final : public Reply::Sink {
   public:
    Answer(Session* session, jsonrpc::Json id) : session_(session), id_(std::move(id)) {}
    void answer(Result<std::string> result) override;
    void append(std::string lines) override;
    std::optional<std::size_t> waiting() const override;
    void cut() { session_ = nullptr; }

   private:
    Session* session_;
    jsonrpc::Json id_;
    bool begun_ = false;  ///< some of the answer was sent
  };

  /// A client.
  class Session {
   public:
    Session(Impl& server, std::uint64_t id, std::unique_ptr<io::Stream> stream)
        : server_(server),
          id_(id),
          connection_(
              std::move(stream), kRequestLimits, [this](jsonrpc::Message m) { received(std::move(m)); },
              [this](const Status&) { end(); }) {}
    ~Session() {
      if (pending_) pending_->cut();
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// A part of an answer as it stands in the message; `last`: the answer is complete.
    void send(std::string text, bool last) {
      connection_.send_part(std::move(text));
      if (!last) return;
      pending_ = {};
      // From the loop, not from here: the answer may come from deep inside whatever completed.
      if (!waiting_.empty()) server_.loop.post([&server = server_, id = id_] { server.serve(id); });
    }
    /// The answer that was begun can't be ended.
    void break_off() {
      server_.loop.post([&server = server_, id = id_] { server.sessions.erase(id); });
    }
    std::size_t queued() const { return connection_.queued(); }
    /// Runs the oldest waiting request if none is being answered.
    void serve();
    bool json() const { return json_; }
    bool idle() const { return !pending_ && waiting_.empty() && connection_.queued() == 0; }

   private:
    void received(jsonrpc::Message message) {
      if (message.kind != jsonrpc::Message::Kind::Request || waiting_.size() >= kMaxWaitingRequests)
        return end();
      waiting_.push_back(std::move(message));
      serve();
    }
    void end() { server_.sessions.erase(id_); }
    /// set-options, with which `ovs-appctl --format json` (Open vSwitch 3.4) begins.
    Result<std::string> set_options(Args args);

    Impl& server_;
    std::uint64_t id_;
    io::Held<Answer> pending_;  ///< the request being answered
    std::deque<jsonrpc::Message> waiting_;
    bool json_ = false;  ///< the client wants answers wrapped in an object
    jsonrpc::Connection connection_;
  };

  Impl(io::EventLoop& l, const CommandRegistry& c) : loop(l), commands(c) {}

  void accept(std::unique_ptr<io::Stream> stream) {
    const std::uint64_t id = next_id++;
    sessions.emplace(id, std::make_unique<Session>(*this, id, std::move(stream)));
  }
  void serve(std::uint64_t id) {
    if (const auto found = sessions.find(id); found != sessions.end()) found->second->serve();
  }

  io::EventLoop& loop;
  const CommandRegistry& commands;
  std::map<std::uint64_t, std::unique_ptr<Session>> sessions;
  std::uint64_t next_id = 0;
  std::unique_ptr<io::UnixListener> listener;
};

void Server::Impl::Answer::answer(Result<std::string> result) {
  if (session_ == nullptr) return;
  if (begun_) {
    if (!result) return std::exchange(session_, nullptr)->break_off();
    append(as_lines(std::move(*result)));
    Session& session = *std::exchange(session_, nullptr);
    return session.send(session.json() ? R"(","reply-format":"plain"},"error":null})" : R"(","error":null})",
                        true);
  }
  Session& session = *std::exchange(session_, nullptr);
  if (!result)
    return session.send(jsonrpc::format_message(jsonrpc::Message::failure(
                            std::move(id_), as_lines(std::move(result.error().message)))),
                        true);
  jsonrpc::Json text = as_lines(std::move(*result));
  if (session.json()) text = {{"reply-format", "plain"}, {"reply", std::move(text)}};
  session.send(jsonrpc::format_message(jsonrpc::Message::reply(std::move(id_), std::move(text))), true);
}

void Server::Impl::Answer::append(std::string lines) {
  if (session_ == nullptr) return;
  std::string part;
  if (!std::exchange(begun_, true))
    part = fmt::format(R"({{"id":{},"result":{})", jsonrpc::format_json(id_),
                       session_->json() ? R"({"reply":")" : R"(")");
  const std::string quoted = jsonrpc::format_json(jsonrpc::Json(std::move(lines)));
  part.append(quoted, 1, quoted.size() - 2);
  session_->send(std::move(part), false);
}

std::optional<std::size_t> Server::Impl::Answer::waiting() const {
  return session_ == nullptr ? std::nullopt : std::optional(session_->queued());
}

void Server::Impl::Session::serve() {
  if (pending_ || waiting_.empty()) return;
  const jsonrpc::Message request = std::move(waiting_.front());
  waiting_.pop_front();
  const io::Held<Answer> answer(new Answer(this, request.id));
  pending_ = answer;

  std::vector<std::string> args;
  for (const jsonrpc::Json& param : request.params) {
    if (!param.is_string())
      return answer->answer(fail(fmt::format("\"{}\" command has non-string argument", request.method)));
    args.push_back(param.get<std::string>());
  }
  if (request.method == "set-options") return answer->answer(set_options(args));
  server_.commands.run(request.method, args, Reply(io::Held<Reply::Sink>(&*answer)));
}

Result<std::string> Server::Impl::Session::set_options(Args args) {
  const bool format = args.size() == 2 && args[0] == "--format";
  if (!format || (args[1] != "json" && args[1] != "text"))
    return fail("\"set-options\" command takes --format json or --format text");
  json_ = args[1] == "json";
  return std::string();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(io::EventLoop& loop, const std::string& path,
                                             const CommandRegistry& commands) {
  auto impl = std::make_unique<Impl>(loop, commands);
  SLUICE_ASSIGN(
      impl->listener,
      io::UnixListener::open(loop, path, 0750, [server = impl.get()](std::unique_ptr<io::Stream> stream) {
        server->accept(std::move(stream));
      }));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

const std::string& Server::path() const {
  return impl_->listener->path();
}

bool Server::idle() const {
  for (const auto& [id, session] : impl_->sessions)
    if (!session->idle()) return false;
  return true;
}

std::string default_socket_path(const std::string& rundir, const std::string& program, int pid) {
  return fmt::format("{}/{}.{}.ctl", rundir, program, pid);
}

}  // namespace sluice::unixctl
