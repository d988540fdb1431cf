#include "cli/ofctl/connection.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "bridge/config.h"
#include "cli/ofctl/signals.h"

namespace sluice::cli::ofctl {

namespace {

/// A target as the user wrote it, resolved.
struct Address {
  std::string name;  ///< "unix:/run/br0.mgmt", "tcp:127.0.0.1:6653"
  /// What a failure to connect is called.
  std::string failure;
};

bool is_socket(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

/// Where the sockets of bridges are looked for.
std::vector<std::string> socket_directories(const Run& run) {
  std::vector<std::string> directories = {bridge::resolve_run_dir(run.run_dir, "")};
  if (run.run_dir.empty() && directories.front() == bridge::resolve_run_dir("", "/var/run/sluice") &&
      std::getenv("SLUICE_RUNDIR") == nullptr && std::getenv("OVS_RUNDIR") == nullptr)
    directories.emplace_back("/var/run/openvswitch");
  return directories;
}

Result<Address> resolve(const Run& run, const std::string& target, const char* socket) {
  if (target.find(':') != std::string::npos) return Address{target, "connecting to " + target};
  // A datapath is named as its bridge here.
  const std::string bridge = target.substr(target.find('@') + 1);
  for (const std::string& directory : socket_directories(run)) {
    const std::string path = fmt::format("{}/{}.{}", directory, bridge, socket);
    if (is_socket(path)) return Address{"unix:" + path, target + ": failed to connect to socket"};
  }
  if (target.starts_with('/') && is_socket(target))
    return Address{"unix:" + target, target + ": failed to open socket"};
  return fail(target + " is not a bridge or a socket");
}

}  // namespace

std::string system_text(int error) {
  return error == kEndOfFile ? "End of file" : std::strerror(error);
}

Connection::Connection(Run& run, std::string name, Socket socket)
    : run_(&run),
      logger_(run.log.logger("vconn")),
      name_(std::move(name)),
      socket_(std::move(socket)),
      client_(run.options.versions, run.next_xid()) {}

Result<Connection> Connection::open(Run& run, const std::string& target, const char* socket) {
  SLUICE_ASSIGN(const Address address, resolve(run, target, socket));
  const auto failed = [&](int error) {
    return fail(fmt::format("{} ({})", address.failure, system_text(error)));
  };
  auto connected = Socket::connect(run, address.name);
  if (!connected) return failed(connected.error());
  Connection connection(run, address.name, std::move(*connected));
  if (const int error = connection.agree()) return failed(error);
  connection.logger_.dbg("{}: negotiated OpenFlow version {:#04x} (we support {}, peer supports {})",
                         connection.name_, static_cast<unsigned>(connection.version()),
                         openflow::describe_versions(run.options.versions),
                         openflow::describe_versions(connection.client_.peer_versions()));
  connection.dialect = {.version = connection.version(), .table_id = false};
  return connection;
}

int Connection::agree() {
  const auto hello = client_.take_output();
  log("sent (Success)", hello);
  if (const int error = socket_.send(hello)) return error;
  while (client_.state() == openflow::Client::State::Hello) {
    if (const int error = fill()) return error == kEndOfFile ? ECONNRESET : error;
    const auto message = client_.next();
    if (message && *message) log("received", **message);
    if (message) continue;
    logger_.warn("{}: {}", name_, message.error().message);
    const auto answer = client_.take_output();
    const int error = answer.empty() ? 0 : socket_.send(answer);
    log(fmt::format("sent ({})", error == 0 ? "Success" : system_text(error)), answer);
    return error == 0 ? EPROTO : error;
  }
  return 0;
}

Error Connection::broken(int error) const {
  return Error{fmt::format("talking to {} ({})", name_, system_text(error))};
}

Status Connection::protocol_error() const {
  return tl::unexpected<Error>(broken(EPROTO));
}

void Connection::log(std::string_view what, Bytes message) {
  if (!logger_.enabled(log::Level::Dbg)) return;
  std::string text = openflow::print(message, {.verbosity = 1});
  while (text.ends_with('\n')) text.pop_back();
  logger_.dbg("{}: {}: {}", name_, what, text);
}

openflow::Message Connection::make(openflow::Body body) {
  return openflow::make_message(std::move(body), dialect, run_->next_xid());
}

Result<std::uint32_t> Connection::send(openflow::Body body) {
  const openflow::Message message = make(std::move(body));
  SLUICE_TRY(send(openflow::encode(message)));
  return message.xid;
}

Status Connection::send(const std::vector<std::uint8_t>& message) {
  log("sent (Success)", message);
  const int error = socket_.send(message);
  take_signals(run_->log);
  if (error != 0) return tl::unexpected<Error>(broken(error));
  return {};
}

int Connection::fill() {
  std::string bytes;
  for (;;) {
    const int error = socket_.receive(bytes);
    take_signals(run_->log);
    if (error == EINTR) continue;
    if (error == 0) client_.receive(Bytes(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
    return error;
  }
}

int Connection::take_in() {
  std::string bytes;
  const int error = socket_.receive_if_any(bytes);
  client_.receive(Bytes(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
  return error;
}

Result<std::vector<std::uint8_t>> Connection::receive() {
  for (;;) {
    SLUICE_ASSIGN(auto message, receive_if_any());
    if (message) return std::move(*message);
    if (const int error = fill()) return tl::unexpected<Error>(broken(error));
  }
}

Result<std::optional<std::vector<std::uint8_t>>> Connection::receive_if_any() {
  auto message = client_.next();
  if (!message) return tl::unexpected<Error>(broken(EPROTO));
  if (!*message) return std::optional<std::vector<std::uint8_t>>{};
  log("received", **message);
  return std::optional(std::vector<std::uint8_t>((*message)->begin(), (*message)->end()));
}

Result<std::vector<std::uint8_t>> Connection::ask(openflow::Body body) {
  std::vector<std::uint8_t> answer;
  SLUICE_TRY(ask_all(std::move(body), [&](Bytes message) -> Status {
    answer.assign(message.begin(), message.end());
    return {};
  }));
  return answer;
}

Result<std::optional<std::vector<std::uint8_t>>> Connection::demand(
    const std::vector<std::uint8_t>& message) {
  SLUICE_TRY(send(message));
  SLUICE_ASSIGN(const std::uint32_t barrier, send(openflow::BarrierRequest{}));
  openflow::Exchange exchange(openflow::decode_header(message)->xid, barrier);
  std::optional<std::vector<std::uint8_t>> error;
  while (!exchange.done()) {
    SLUICE_ASSIGN(auto answer, receive());
    if (exchange.take(answer) && exchange.failed()) error = std::move(answer);
  }
  return error;
}

Result<std::optional<std::vector<std::uint8_t>>> Connection::demand(openflow::Body body) {
  return demand(openflow::encode(make(std::move(body))));
}

}  // namespace sluice::cli::ofctl
