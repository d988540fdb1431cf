// TLS over any byte stream: TlsContext holds keys and whom to trust, a TlsChannel is one connection without
// its socket: bytes of the network go in and out, so do plain bytes.
//
// Both sides show certificates and check that the other's is signed by the CA certificate; names in
// certificates are not compared with host names (as ovs-vswitchd does). With bootstrap_ca_cert and no CA
// certificate yet, the first peer is believed: the CA certificate that it sends is kept in the file, and the
// connection ends, to be made anew under it. TLS 1.2 at least.
//
// OpenSSL does it; no header shows it. Main thread.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice::io {

/// PEM files.
struct TlsFiles {
  std::string private_key, certificate, ca_cert;
  bool bootstrap_ca_cert = false;  ///< ca_cert may be missing: the first peer's is written there

  bool operator==(const TlsFiles&) const = default;
};

class TlsChannel;

class TlsContext {
 public:
  /// Reads the files. Errors name the file.
  static Result<std::unique_ptr<TlsContext>> load(const TlsFiles& files);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  enum class Side : std::uint8_t { Client, Server };
  /// The context must outlive channels only while it bootstraps.
  std::unique_ptr<TlsChannel> make_channel(Side side);

  struct Impl;

 private:
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class TlsChannel {
 public:
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  /// What came from the network; plain bytes are then in take_plain(), answers in take_network(). After an
  /// error only take_network() is of use: it holds the alert for the peer.
  Status receive(Bytes network);
  /// Plain bytes to send; before the handshake is done they wait.
  Status send(std::string_view plain);
  /// Says that nothing more comes.
  void finish();
  /// The peer has said so.
  bool finished_by_peer() const;

  std::string take_plain();
  std::string take_network();

 private:
  friend class TlsContext;
  struct Impl;
  explicit TlsChannel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::io
