#include "io/tls.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/unique_fd.h"

namespace sluice::io {
namespace {

template <auto kFree>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using SslContext = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, Freed<SSL_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;

/// What OpenSSL complained about last; its queue of errors is empty afterwards.
std::string last_error() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return reason ? reason : "the connection ended";
}

Status read_error(std::string_view what, const std::string& file) {
  return fail(fmt::format("{} {}: {}", what, file, last_error()));
}

/// The certificate at the end of what the peer sent, if it signs itself: its CA's.
X509* ca_of_peer(SSL* ssl) {
  STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
  if (!chain || sk_X509_num(chain) == 0) return nullptr;
  X509* last = sk_X509_value(chain, sk_X509_num(chain) - 1);
  const bool signs_itself = X509_NAME_cmp(X509_get_subject_name(last), X509_get_issuer_name(last)) == 0;
  return signs_itself && X509_check_ca(last) ? last : nullptr;
}

Status write_certificate(X509* certificate, const std::string& file) {
  const UniqueFd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  const auto failed = [&] { return fail(fmt::format("CA certificate {}: {}", file, std::strerror(errno))); };
  if (!fd) return failed();
  const Bio text(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(text.get(), certificate);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text.get(), &bytes);
  if (write(fd.get(), bytes, static_cast<std::size_t>(size)) == size) return {};
  const Status status = failed();
  unlink(file.c_str());
  return status;
}

}  // namespace

struct TlsContext::Impl {
  SslContext context;
  TlsFiles files;
  bool bootstrapping = false;

  Status trust_ca_file() {
    if (SSL_CTX_load_verify_locations(context.get(), files.ca_cert.c_str(), nullptr) != 1)
      return read_error("CA certificate", files.ca_cert);
    SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(files.ca_cert.c_str()));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return {};
  }

  /// Believes the peer of this connection.
  Status bootstrap(SSL* ssl) {
    X509* ca = ca_of_peer(ssl);
    if (!ca) return fail("the peer sends no CA certificate to bootstrap from");
    SLUICE_TRY(write_certificate(ca, files.ca_cert));
    SLUICE_TRY(trust_ca_file());
    bootstrapping = false;
    return fail(
        fmt::format("the CA certificate of the peer was saved as {}: connecting anew", files.ca_cert));
  }
};

struct TlsChannel::Impl {
  Ssl ssl;
  TlsContext::Impl* bootstrap = nullptr;  ///< set while the first peer is to be believed
  std::string unsent, plain;
  bool established = false, finished_by_peer = false;

  Status failed() {
    const long verdict = SSL_get_verify_result(ssl.get());
    if (verdict != X509_V_OK) {
      ERR_clear_error();
      return fail(fmt::format("the peer's certificate: {}", X509_verify_cert_error_string(verdict)));
    }
    return fail(fmt::format("TLS: {}", last_error()));
  }
  /// Whether the call that returned `result` only waits for more of the network.
  bool waits(int result) const {
    const int error = SSL_get_error(ssl.get(), result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  }

  Status advance() {
    ERR_clear_error();
    if (!established) {
      const int done = SSL_do_handshake(ssl.get());
      if (done != 1) return waits(done) ? Status{} : failed();
      established = true;
      if (bootstrap && bootstrap->bootstrapping) return bootstrap->bootstrap(ssl.get());
    }
    SLUICE_TRY(write());
    return read();
  }
  Status write() {
    while (!unsent.empty()) {
      std::size_t written = 0;
      const int done = SSL_write_ex(ssl.get(), unsent.data(), unsent.size(), &written);
      if (done != 1) return waits(done) ? Status{} : failed();
      unsent.erase(0, written);
    }
    return {};
  }
  Status read() {
    char piece[16384];
    for (;;) {
      std::size_t n = 0;
      const int done = SSL_read_ex(ssl.get(), piece, sizeof piece, &n);
      if (done == 1) {
        plain.append(piece, n);
        continue;
      }
      finished_by_peer = SSL_get_error(ssl.get(), done) == SSL_ERROR_ZERO_RETURN;
      return finished_by_peer || waits(done) ? Status{} : failed();
    }
  }
};

Result<std::unique_ptr<TlsContext>> TlsContext::load(const TlsFiles& files) {
  auto impl = std::make_unique<Impl>();
  impl->files = files;
  impl->context.reset(SSL_CTX_new(TLS_method()));
  if (!impl->context) return fail(fmt::format("TLS can't be used: {}", last_error()));
  SSL_CTX* context = impl->context.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1)
    SLUICE_TRY(read_error("certificate", files.certificate));
  if (SSL_CTX_use_PrivateKey_file(context, files.private_key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1)
    SLUICE_TRY(read_error("private key", files.private_key));
  if (files.bootstrap_ca_cert && access(files.ca_cert.c_str(), F_OK) != 0) {
    impl->bootstrapping = true;
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  } else {
    SLUICE_TRY(impl->trust_ca_file());
  }
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

std::unique_ptr<TlsChannel> TlsContext::make_channel(Side side) {
  auto impl = std::make_unique<TlsChannel::Impl>();
  impl->ssl.reset(SSL_new(impl_->context.get()));
  SSL_set_bio(impl->ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (side == Side::Client)
    SSL_set_connect_state(impl->ssl.get());
  else
    SSL_set_accept_state(impl->ssl.get());
  // Only a peer that we called is believed: whoever calls us has to be known.
  if (impl_->bootstrapping && side == Side::Client) impl->bootstrap = impl_.get();
  if (impl_->bootstrapping && side == Side::Server)
    SSL_set_verify(impl->ssl.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return std::unique_ptr<TlsChannel>(new TlsChannel(std::move(impl)));
}

TlsChannel::TlsChannel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsChannel::~TlsChannel() = default;

Status TlsChannel::receive(Bytes network) {
  BIO* input = SSL_get_rbio(impl_->ssl.get());
  if (!network.empty()) BIO_write(input, network.data(), static_cast<int>(network.size()));
  return impl_->advance();
}

Status TlsChannel::send(std::string_view plain) {
  impl_->unsent += plain;
  return impl_->advance();
}

void TlsChannel::finish() {
  if (impl_->established) SSL_shutdown(impl_->ssl.get());
  ERR_clear_error();
}

bool TlsChannel::finished_by_peer() const {
  return impl_->finished_by_peer;
}

std::string TlsChannel::take_plain() {
  return std::exchange(impl_->plain, {});
}

std::string TlsChannel::take_network() {
  BIO* output = SSL_get_wbio(impl_->ssl.get());
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(output, &bytes);
  std::string taken(bytes, static_cast<std::size_t>(size));
  (void)BIO_reset(output);
  return taken;
}

}  // namespace sluice::io
