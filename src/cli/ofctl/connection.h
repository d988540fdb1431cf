// A blocking OpenFlow connection to a switch or controller: the sans-IO client of src/openflow over a socket.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/ofctl/run.h"
#include "cli/ofctl/socket.h"
#include "openflow/client.h"

namespace sluice::cli::ofctl {

class Connection {
 public:
  /// Connects and agrees on a version. @param target  a bridge, a socket's path, or unix:, tcp: or ssl:
  /// @param socket  which of a bridge's sockets: "mgmt" or "snoop"
  static Result<Connection> open(Run& run, const std::string& target, const char* socket = "mgmt");

  openflow::OfVersion version() const { return client_.version(); }
  /// How messages are expressed; its version is the connection's.
  openflow::Dialect dialect;

  /// A message of the connection's version with a new transaction id.
  openflow::Message make(openflow::Body body);
  /// The same, encoded. @return its transaction id.
  Result<std::uint32_t> send(openflow::Body body);
  Status send(const std::vector<std::uint8_t>& message);

  /// The next message of any kind; waits for it.
  Result<std::vector<std::uint8_t>> receive();
  /// The next message if one has arrived.
  Result<std::optional<std::vector<std::uint8_t>>> receive_if_any();
  /// Takes in what has arrived, without waiting. @return 0, kEndOfFile or an errno value
  int take_in();
  int fd() const { return socket_.fd(); }
  /// Asks, and gives the one answer or error.
  Result<std::vector<std::uint8_t>> ask(openflow::Body body);
  /// Asks, and hands each part of the answer, or the error, to `visit`.
  template <typename Visit>
  Status ask_all(openflow::Body body, Visit visit);
  /// Sends what is not answered, and a barrier. @return the error message, if the peer refused.
  Result<std::optional<std::vector<std::uint8_t>>> demand(const std::vector<std::uint8_t>& message);
  Result<std::optional<std::vector<std::uint8_t>>> demand(openflow::Body body);

  /// "talking to unix:/run/br0.mgmt (Protocol error)".
  Status protocol_error() const;

 private:
  Connection(Run& run, std::string name, Socket socket);

  /// Exchanges hellos. @return 0 or an errno value.
  int agree();
  /// Waits for bytes and takes them in. @return 0, kEndOfFile or an errno value.
  int fill();
  Error broken(int error) const;
  void log(std::string_view what, Bytes message);

  Run* run_;
  log::Logger logger_;
  std::string name_;  ///< "unix:/run/br0.mgmt"
  Socket socket_;
  openflow::Client client_;
};

template <typename Visit>
Status Connection::ask_all(openflow::Body body, Visit visit) {
  SLUICE_ASSIGN(const std::uint32_t xid, send(std::move(body)));
  openflow::Exchange exchange(xid);
  while (!exchange.done()) {
    SLUICE_ASSIGN(const auto message, receive());
    if (exchange.take(message)) SLUICE_TRY(visit(Bytes(message)));
  }
  return {};
}

/// The sentence for an errno value, as glibc has it.
std::string system_text(int error);

}  // namespace sluice::cli::ofctl
