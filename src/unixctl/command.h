// The commands of a control socket: names, usages and handlers. Whoever has something to show registers its
// commands here (unixctl::Server serves them, `sluice appctl` and ovs-appctl call them); nothing here knows
// sockets. Main thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/held.h"

namespace sluice::unixctl {

using Args = std::span<const std::string>;

/// The place for one answer, which may be given later (main thread). If it is dropped without one, or the
/// client has gone meanwhile, nothing breaks: the client gets an error, or nobody does.
class Reply {
 public:
  /// Where answers go: a connection of the server, or a test.
  class Sink : public io::Holdable {
   public:
    virtual ~Sink() = default;
    virtual void answer(Result<std::string> result) = 0;
    virtual void append(std::string lines) = 0;
    /// Bytes that the client has not taken yet; nothing: there is no client any more.
    virtual std::optional<std::size_t> waiting() const = 0;
  };

  explicit Reply(io::Held<Sink> sink) : sink_(std::move(sink)) {}
  Reply(Reply&& other) noexcept = default;
  Reply& operator=(Reply&& other) noexcept;
  ~Reply();

  /// Gives the answer. Call once.
  void operator()(Result<std::string> result);
  /// The beginning of an answer that is too long to be held: whole lines, any number of times. What the call
  /// operator gives is its end; an error then breaks the connection off.
  void append(std::string lines) { sink_->append(std::move(lines)); }
  /// Bytes that the client has not taken yet; nothing: nobody waits for the answer any more.
  std::optional<std::size_t> waiting() const { return sink_->waiting(); }

 private:
  io::Held<Sink> sink_;
};

class CommandRegistry {
 public:
  using Handler = std::function<Result<std::string>(Args)>;
  using DeferredHandler = std::function<void(Args, Reply)>;

  /// Begins with `list-commands` and `version` ("PROGRAM (Sluice) VERSION").
  CommandRegistry(std::string program, std::string version);
  CommandRegistry(const CommandRegistry&) = delete;
  CommandRegistry& operator=(const CommandRegistry&) = delete;

  /// @param usage  shown behind the name in list-commands, "" if there are no arguments.
  /// @param max_args  kAnyArgs for no limit.
  void add(std::string name, std::string usage, unsigned min_args, unsigned max_args, Handler handler);
  /// For what takes long or must wait: the handler keeps the reply.
  void add_deferred(std::string name, std::string usage, unsigned min_args, unsigned max_args,
                    DeferredHandler handler);
  /// Another name of a command that is there, which list-commands does not show.
  void add_alias(std::string name, std::string_view of);
  void remove(std::string_view name);

  /// Runs a command. An unknown name or a wrong number of arguments is answered as ovs-vswitchd does.
  void run(std::string_view name, Args args, Reply reply) const;

  /// What list-commands prints, of commands that begin so.
  std::string list(std::string_view prefix = "") const;

  static constexpr unsigned kAnyArgs = ~0u;

 private:
  struct Command {
    std::string usage;
    unsigned min_args, max_args;
    DeferredHandler handler;
    bool hidden = false;
  };
  std::map<std::string, Command, std::less<>> commands_;
};

}  // namespace sluice::unixctl
