// Listener, Connector and TLS together, over loopback and unix sockets, with certificates made by openssl.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "io/connector.h"
#include "io/listener.h"
#include "io/tls.h"

namespace sluice::io {
namespace {

constexpr Duration kLong = Duration::seconds(20);

/// A CA and two certificates that it signed: CA.pem, NAME-key.pem, NAME-cert.pem (with the CA's behind it).
void make_certificates(const std::string& folder, const std::string& ca) {
  const auto run = [](const std::string& command) {
    ASSERT_EQ(std::system(("( " + command + " ) 2>/dev/null").c_str()), 0) << command;
  };
  const std::string base = folder + "/" + ca;
  run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=" + ca +
      " -keyout " + base + "-ca.key -out " + base + "-ca.pem");
  for (const std::string name : {"a", "b"}) {
    const std::string own = base + "-" + name;
    run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + name + " -keyout " +
        own + "-key.pem -out " + own + ".req");
    run("openssl x509 -req -days 30 -in " + own + ".req -CA " + base + "-ca.pem -CAkey " + base +
        "-ca.key -CAcreateserial -out " + own + ".crt");
    run("cat " + own + ".crt " + base + "-ca.pem > " + own + "-cert.pem");
  }
}

class ConnectTest : public ::testing::Test {
 protected:
  ConnectTest() {
    std::string folder = ::testing::TempDir() + "sluice_io_XXXXXX";
    folder_ = mkdtemp(folder.data());
  }
  ~ConnectTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<TlsContext> context(const std::string& ca, const std::string& name,
                                      std::string trusted = {}, bool bootstrap = false) {
    if (trusted.empty()) trusted = folder_ + "/" + ca + "-ca.pem";
    const std::string own = folder_ + "/" + ca + "-" + name;
    auto loaded = TlsContext::load({own + "-key.pem", own + "-cert.pem", trusted, bootstrap});
    EXPECT_TRUE(loaded) << loaded.error().message;
    return std::move(*loaded);
  }

  /// Listens with an echo server.
  std::string listen(const std::string& text, TlsContext* tls = nullptr) {
    auto opened =
        Listener::open(loop_, *parse_remote(text, folder_), tls, [this](std::unique_ptr<Stream> stream) {
          accepted_ = std::move(stream);
          accepted_->start(
              [this](Bytes bytes) { accepted_->send(std::string(bytes.begin(), bytes.end())); },
              [this](const Status& status) { server_end_ = status ? "closed" : status.error().message; });
        });
    EXPECT_TRUE(opened) << opened.error().message;
    listener_ = std::move(*opened);
    return std::to_string(listener_->port());
  }

  /// Connects, sends a text and waits until it has come back or the connection failed, with what.
  std::string echo(const std::string& text, TlsContext* tls = nullptr, std::size_t bytes = 5) {
    std::string result, got;
    std::unique_ptr<Stream> stream;
    Connector connector(loop_, *parse_remote(text, folder_), tls, [&](Result<std::unique_ptr<Stream>> made) {
      if (!made) {
        result = made.error().message;
        return loop_.stop();
      }
      stream = std::move(*made);
      stream->start(
          [&](Bytes piece) {
            got.append(piece.begin(), piece.end());
            if (got.size() == bytes) loop_.stop();
          },
          [&](const Status& status) {
            result = status ? "closed" : status.error().message;
            loop_.stop();
          });
      stream->send(std::string(bytes, 'e'));
    });
    loop_.run_for(kLong);
    return got.size() == bytes ? "echoed" : result;
  }

  EventLoop loop_;
  std::string folder_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Stream> accepted_;
  std::string server_end_;
};

TEST_F(ConnectTest, OverEachFamily) {
  listen("punix:s");
  EXPECT_EQ(echo("unix:s"), "echoed");
  EXPECT_EQ(echo("tcp:127.0.0.1:" + listen("ptcp:0:127.0.0.1")), "echoed");
  EXPECT_EQ(accepted_->name().substr(0, 14), "tcp:127.0.0.1:");
  EXPECT_EQ(echo("tcp:127.0.0.1:" + listen("ptcp:0")), "echoed");
  EXPECT_EQ(echo("tcp:localhost:" + listen("ptcp:0")), "echoed") << "every address of a name is tried";
  if (const auto port = listen("ptcp:0:[::1]"); port != "0") {
    EXPECT_EQ(echo("tcp:[::1]:" + port), "echoed");
    EXPECT_EQ(accepted_->name().substr(0, 10), "tcp:[::1]:");
  }
}

TEST_F(ConnectTest, FailuresAreWords) {
  EXPECT_EQ(echo("unix:none"), "No such file or directory");
  const auto port = listen("ptcp:0:127.0.0.1");
  EXPECT_EQ(Listener::open(loop_, *parse_remote("ptcp:" + port + ":127.0.0.1"), nullptr, {}).error().message,
            "cannot listen on ptcp:" + port + ":127.0.0.1: Address already in use");
  listener_.reset();
  EXPECT_EQ(echo("tcp:127.0.0.1:" + port), "Connection refused");
  EXPECT_EQ(echo("tcp:no.such.name.invalid:1"), "the name no.such.name.invalid has no address");
  EXPECT_EQ(echo("ssl:127.0.0.1:" + port), "no private key, certificate and CA certificate are configured");
  EXPECT_EQ(Listener::open(loop_, *parse_remote("pssl:0"), nullptr, {}).error().message,
            "cannot listen on pssl:0: no private key, certificate and CA certificate are configured");
  EXPECT_EQ(Listener::open(loop_, *parse_remote("ptcp:0:here"), nullptr, {}).error().message,
            "cannot listen on ptcp:0:here: \"here\" is not an IP address");
}

TEST_F(ConnectTest, DestroyedConnectorSaysNothing) {
  const auto port = listen("ptcp:0:127.0.0.1");
  bool called = false;
  {
    Connector one(loop_, *parse_remote("tcp:127.0.0.1:" + port), nullptr, [&](auto) { called = true; });
    Connector two(loop_, *parse_remote("tcp:localhost:" + port), nullptr, [&](auto) { called = true; });
    Connector three(loop_, *parse_remote("unix:/none"), nullptr, [&](auto) { called = true; });
  }
  loop_.run_for(Duration::milliseconds(50));
  EXPECT_FALSE(called);
}

TEST_F(ConnectTest, PausedStreamLetsItsPeerWait) {
  listen("punix:s");
  const std::size_t size = 8 << 20;
  bool paused = false;
  std::size_t got = 0;
  std::unique_ptr<Stream> stream;
  const Connector connector(loop_, *parse_remote("unix:s", folder_), nullptr, [&](auto made) {
    stream = std::move(*made);
    stream->start(
        [&](Bytes piece) {
          got += piece.size();
          if (got == size) loop_.stop();
          if (paused) return;
          paused = true;
          stream->pause();
        },
        [](const Status&) {});
    stream->send(std::string(size, 'x'));
  });
  loop_.run_for(Duration::milliseconds(100));
  ASSERT_TRUE(paused);
  EXPECT_LT(got, size / 2);
  EXPECT_GT(accepted_->queued(), 0u);
  unsigned taken = 0;
  accepted_->set_on_sent([&] { ++taken; });
  stream->resume();
  loop_.run_for(kLong);
  EXPECT_EQ(got, size);
  EXPECT_GT(taken, 0u);
}

TEST_F(ConnectTest, TlsBothWays) {
  make_certificates(folder_, "one");
  const auto server = context("one", "a"), client = context("one", "b");
  const auto port = listen("pssl:0:127.0.0.1", server.get());
  EXPECT_EQ(echo("ssl:127.0.0.1:" + port, client.get()), "echoed");
  EXPECT_EQ(accepted_->name().substr(0, 14), "ssl:127.0.0.1:");
  EXPECT_EQ(echo("ssl:127.0.0.1:" + port, client.get(), 5 << 20), "echoed");
}

// What waits is counted as it was given: who counts what he sent finds it there, not its frames.
TEST_F(ConnectTest, TlsCountsWhatItWasGiven) {
  make_certificates(folder_, "one");
  const auto server = context("one", "a"), client = context("one", "b");
  const auto port = listen("pssl:0:127.0.0.1", server.get());
  std::size_t queued = 0;
  std::unique_ptr<Stream> stream;
  const Connector connector(loop_, *parse_remote("ssl:127.0.0.1:" + port), client.get(), [&](auto made) {
    stream = std::move(*made);
    stream->start([&](Bytes) { loop_.stop(); }, [](const Status&) {});
    stream->send("hello");
  });
  loop_.run_for(kLong);
  for (int i = 0; i < 100; ++i) stream->send("12345678");
  queued = stream->queued();
  EXPECT_EQ(queued, 800u);
  std::size_t left = queued;
  stream->set_on_sent([&] {
    left = stream->queued();
    if (left == 0) loop_.stop();
  });
  loop_.run_for(kLong);
  EXPECT_EQ(left, 0u);
}

TEST_F(ConnectTest, TlsRefusesStrangers) {
  make_certificates(folder_, "one");
  make_certificates(folder_, "two");
  const auto server = context("one", "a"), stranger = context("two", "b", folder_ + "/one-ca.pem"),
             wary = context("one", "b", folder_ + "/two-ca.pem");
  const auto port = listen("pssl:0:127.0.0.1", server.get());
  echo("ssl:127.0.0.1:" + port, stranger.get());
  EXPECT_NE(server_end_.find("the peer's certificate: "), std::string::npos) << server_end_;
  EXPECT_NE(echo("ssl:127.0.0.1:" + port, wary.get()).find("the peer's certificate: "), std::string::npos);
  // Who speaks no TLS is no worse.
  EXPECT_NE(echo("tcp:127.0.0.1:" + port), "echoed");
  EXPECT_NE(server_end_.find("TLS: "), std::string::npos) << server_end_;
}

TEST_F(ConnectTest, TlsBootstrapsFromTheFirstPeer) {
  make_certificates(folder_, "one");
  make_certificates(folder_, "two");
  const std::string ca = folder_ + "/learned.pem";
  const auto server = context("one", "a"), client = context("one", "b", ca, true);
  const auto port = listen("pssl:0:127.0.0.1", server.get());
  EXPECT_NE(echo("ssl:127.0.0.1:" + port, client.get()).find("was saved as " + ca), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(ca));
  EXPECT_EQ(echo("ssl:127.0.0.1:" + port, client.get()), "echoed");
  // And believes no other from then on.
  const auto other = context("two", "a", folder_ + "/one-ca.pem");
  const auto other_port = listen("pssl:0:127.0.0.1", other.get());
  EXPECT_NE(echo("ssl:127.0.0.1:" + other_port, client.get()).find("the peer's certificate: "),
            std::string::npos);
}

TEST_F(ConnectTest, TlsFilesAreNamedInErrors) {
  make_certificates(folder_, "one");
  const std::string own = folder_ + "/one-a", ca = folder_ + "/one-ca.pem";
  const auto error = [](const TlsFiles& files) { return TlsContext::load(files).error().message; };
  EXPECT_EQ(error({"/none", own + "-cert.pem", ca}).substr(0, 19), "private key /none: ");
  EXPECT_EQ(error({own + "-key.pem", "/none", ca}).substr(0, 19), "certificate /none: ");
  EXPECT_EQ(error({own + "-key.pem", own + "-cert.pem", "/none"}).substr(0, 22), "CA certificate /none: ");
  EXPECT_EQ(error({folder_ + "/one-b-key.pem", own + "-cert.pem", ca}).find("private key "), 0u);
}

}  // namespace
}  // namespace sluice::io
