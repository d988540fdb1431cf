#include "cli/ofctl/listen.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <optional>

#include "action/protocols.h"
#include "bridge/config.h"
#include "cli/hex.h"
#include "cli/ofctl/dump.h"
#include "cli/ofctl/packet_out.h"
#include "cli/ofctl/signals.h"
#include "cli/version.h"
#include "io/event_loop.h"
#include "io/pidfile.h"
#include "unixctl/server.h"

namespace sluice::cli::ofctl {

namespace {

/// How long the answer to `exit` may wait for its reader.
constexpr int kMostMsToAnswer = 1000;

std::string local_timestamp() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return fmt::format("{}.{:03}: ", text, ms);
}

/// Where the files of this process go.
std::string daemon_directory(const Run& run) {
  return bridge::resolve_run_dir(run.run_dir, run.program == "ovs-ofctl" ? "/var/run/openvswitch" : "");
}

std::string in_directory(const std::string& directory, const std::string& file) {
  return file.starts_with('/') ? file : fmt::format("{}/{}", directory, file);
}

/// The protocol that a packet-out of a version is written for: none of Nicira's in OpenFlow 1.0.
action::Protocols::Bit protocol_of(openflow::OfVersion version) {
  if (version == openflow::OfVersion::k10) return action::Protocols::kOf10;
  return static_cast<action::Protocols::Bit>(action::Protocols::kOf11
                                             << (static_cast<unsigned>(version) -
                                                 static_cast<unsigned>(openflow::OfVersion::k11)));
}

class Listener {
 public:
  Listener(Run& run, Connection connection, Listening listening)
      : run_(run),
        connection_(std::move(connection)),
        listening_(listening),
        commands_(daemon_name(run), kVersion) {
    add_commands();
  }

  Status open_control_socket();
  /// Until exit or a signal.
  Status serve();

 private:
  void add_commands();
  Result<std::string> send(unixctl::Args words);
  Result<std::string> send_packet(const std::string& text);
  void begin_barrier(unixctl::Reply reply);

  /// Takes in what has arrived, prints and answers it.
  void drain();
  Status take(Bytes message);
  void show(std::string_view prefix, Bytes message, int verbosity, const action::Names& names = {});
  void end(Status status);

  Run& run_;
  Connection connection_;
  Listening listening_;
  std::optional<NameMap> names_;
  io::EventLoop loop_;
  unixctl::CommandRegistry commands_;
  std::unique_ptr<unixctl::Server> server_;
  std::optional<io::ReadWatch> reading_;  ///< nothing while blocked
  /// Who waits for the answer to a barrier, and its transaction id.
  std::optional<std::pair<std::uint32_t, unixctl::Reply>> barrier_;
  bool over_ = false;
  Status status_;
};

void Listener::add_commands() {
  const auto nothing = [](auto action) {
    return [action](unixctl::Args) -> Result<std::string> {
      action();
      return std::string();
    };
  };
  commands_.add("exit", "", 0, 0, nothing([this] { end({}); }));
  commands_.add("ofctl/send", "OFMSG...", 1, unixctl::CommandRegistry::kAnyArgs,
                [this](unixctl::Args words) { return send(words); });
  commands_.add("ofctl/packet-out", "\"in_port=<port> packet=<hex data> actions=...\"", 1, 1,
                [this](unixctl::Args words) { return send_packet(words[0]); });
  commands_.add_deferred("ofctl/barrier", "", 0, 0,
                         [this](unixctl::Args, unixctl::Reply reply) { begin_barrier(std::move(reply)); });
  commands_.add("ofctl/set-output-file", "FILE", 1, 1, [](unixctl::Args words) -> Result<std::string> {
    const io::UniqueFd fd(open(words[0].c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666));
    if (!fd || dup2(fd.get(), STDERR_FILENO) < 0) return fail(std::strerror(errno));
    return std::string();
  });
  commands_.add("ofctl/block", "", 0, 0, [this](unixctl::Args) -> Result<std::string> {
    if (!reading_) return std::string("already blocking");
    reading_.reset();
    return std::string();
  });
  commands_.add("ofctl/unblock", "", 0, 0, [this](unixctl::Args) -> Result<std::string> {
    if (reading_) return std::string("already unblocked");
    reading_.emplace(loop_, connection_.fd(), [this] { drain(); });
    drain();
    return std::string();
  });
  unixctl::add_log_commands(commands_, run_.log);
}

Status Listener::open_control_socket() {
  const std::string wanted = run_.options.control_socket.value_or("");
  if (wanted == "none") return {};
  const std::string directory = daemon_directory(run_);
  const std::string path = wanted.empty()
                               ? unixctl::default_socket_path(directory, daemon_name(run_), getpid())
                               : in_directory(directory, wanted);
  auto server = unixctl::Server::open(loop_, path, commands_);
  if (!server)
    return fail(fmt::format("{}: could not initialize control socket ({})", path, server.error().message));
  server_ = std::move(*server);
  return {};
}

Status Listener::serve() {
  const io::ReadWatch signals(loop_, signal_descriptor(), [this] { end({}); });
  reading_.emplace(loop_, connection_.fd(), [this] { drain(); });
  drain();
  if (!over_) loop_.run();
  reading_.reset();
  for (int ms = 0; server_ && !server_->idle() && ms < kMostMsToAnswer; ++ms)
    loop_.run_for(Duration::milliseconds(1));
  return std::move(status_);
}

void Listener::end(Status status) {
  if (over_) return;
  over_ = true;
  status_ = std::move(status);
  if (barrier_) barrier_.reset();
  loop_.stop();
}

void Listener::show(std::string_view prefix, Bytes message, int verbosity, const action::Names& names) {
  const std::string text =
      fmt::format("{}{}", prefix, openflow::print(message, {.verbosity = verbosity, .names = names}));
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void Listener::drain() {
  if (!reading_ || over_) return;
  const int error = connection_.take_in();
  while (reading_ && !over_) {
    const auto message = connection_.receive_if_any();
    if (!message) return end(fail(fmt::format("vconn_recv ({})", system_text(EPROTO))));
    if (!*message) break;
    if (Status taken = take(**message); !taken) return end(std::move(taken));
  }
  if (error != 0) end(fail(fmt::format("vconn_recv ({})", system_text(error))));
}

Status Listener::take(Bytes bytes) {
  if (!names_) {
    SLUICE_ASSIGN(names_, names_to_show(run_, run_.words[0]));
  }
  show(run_.options.timestamp ? local_timestamp() : "", bytes, run_.options.verbosity + 2, names_->names());
  const auto message = openflow::decode(bytes);
  if (!message) return {};
  if (barrier_ && message->xid == barrier_->first && openflow::as<openflow::BarrierReply>(*message)) {
    unixctl::Reply reply = std::move(barrier_->second);
    barrier_.reset();
    reply(std::string());
  }
  if (const auto* echo = openflow::as<openflow::EchoRequest>(*message);
      echo != nullptr && listening_.answers_echoes)
    SLUICE_TRY(connection_.send(openflow::encode(openflow::make_message(
        openflow::EchoReply{{.data = echo->data}}, connection_.dialect, message->xid))));
  const auto* packet = openflow::as<openflow::PacketIn>(*message);
  if (packet == nullptr || !packet->continuation || !listening_.resumes) return {};
  SLUICE_ASSIGN(const bool done,
                change(run_, connection_, run_.words[0], openflow::Resume{.packet = *packet}));
  return done ? Status{} : connection_.protocol_error();
}

Result<std::string> Listener::send(unixctl::Args words) {
  std::string text;
  for (const std::string& word : words) {
    const auto bytes = parse_hex(word);
    if (!bytes) return fail(text + bytes.error().message);
    if (bytes->size() < openflow::kHeaderBytes) return fail(text + "Message too short for OpenFlow");
    if (bytes->size() != std::size_t{(*bytes)[2]} * 256 + (*bytes)[3])
      return fail(text + "Message size does not match length in OpenFlow header");
    show("send: ", *bytes, run_.options.verbosity);
    SLUICE_TRY(connection_.send(*bytes));
    text += "sent\n";
  }
  // Sending may have taken in what the switch said meanwhile.
  loop_.post([this] { drain(); });
  return text;
}

Result<std::string> Listener::send_packet(const std::string& text) {
  SLUICE_ASSIGN(const NameMap names, names_to_read(run_, run_.words[0]));
  auto packet = parse_packet_out(text, names.names());
  if (!packet) return fail(original_text(packet.error()));
  if (!packet->usable.has(protocol_of(connection_.version())))
    return fail("PACKET_OUT actions are incompatible with the OpenFlow connection.");
  const auto message = openflow::encode(connection_.make(std::move(packet->message)));
  show("", message, run_.options.verbosity);
  SLUICE_TRY(connection_.send(message));
  loop_.post([this] { drain(); });
  return std::string();
}

void Listener::begin_barrier(unixctl::Reply reply) {
  if (barrier_) return reply(fail("already waiting for barrier reply"));
  const auto xid = connection_.send(openflow::BarrierRequest{});
  if (!xid) return reply(tl::unexpected<Error>(xid.error()));
  barrier_.emplace(*xid, std::move(reply));
  loop_.post([this] { drain(); });
}

}  // namespace

Result<int> listen(Run& run, Connection connection, Listening listening) {
  std::fflush(stdout);
  io::Process process = io::Process::start(run.options.process);
  if (run.options.process.detach) set_alarm(run.options.timeout_s);
  std::unique_ptr<io::PidFile> pidfile;
  if (run.options.pidfile) {
    const std::string& file = *run.options.pidfile;
    const std::string path =
        in_directory(daemon_directory(run), file.empty() ? daemon_name(run) + ".pid" : file);
    SLUICE_ASSIGN(pidfile, io::PidFile::create(path, run.options.overwrite_pidfile));
  }
  {
    Listener listener(run, std::move(connection), listening);
    SLUICE_TRY(listener.open_control_socket());
    process.ready();
    SLUICE_TRY(listener.serve());
  }
  pidfile.reset();
  take_signals(run.log);
  return 0;
}

}  // namespace sluice::cli::ofctl
