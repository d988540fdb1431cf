#include "io/stream.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "io/pidfile.h"

namespace sluice::io {
namespace {

constexpr Duration kLong = Duration::seconds(10);

class StreamTest : public ::testing::Test {
 protected:
  StreamTest() {
    std::string folder = ::testing::TempDir() + "sluice_io_XXXXXX";
    folder_ = mkdtemp(folder.data());
  }
  ~StreamTest() override { std::filesystem::remove_all(folder_); }

  Result<std::unique_ptr<UnixListener>> listen(const std::string& path) {
    return UnixListener::open(loop_, path, 0700, [this](std::unique_ptr<Stream> stream) {
      accepted_ = std::move(stream);
      if (on_accept_) on_accept_();
    });
  }
  Stream connect(const std::string& path) {
    auto socket = connect_unix(path);
    EXPECT_TRUE(socket) << socket.error().message;
    return Stream(loop_, std::move(*socket), "client");
  }

  EventLoop loop_;
  std::string folder_;
  std::unique_ptr<Stream> accepted_;
  std::function<void()> on_accept_;
};

/// An echo server and what its client got back.
TEST_F(StreamTest, BytesGoBothWaysAndCloseIsTold) {
  const std::string path = folder_ + "/s";
  auto listener = listen(path);
  ASSERT_TRUE(listener);
  on_accept_ = [&] {
    accepted_->start(
        [&](Bytes bytes) {
          accepted_->send(std::string(bytes.begin(), bytes.end()));
          if (bytes.back() == '.') accepted_->finish();
        },
        [&](const Status&) { accepted_.reset(); });
  };
  Stream client = connect(path);
  std::string got;
  std::optional<bool> closed_well;
  client.start([&](Bytes bytes) { got.append(bytes.begin(), bytes.end()); },
               [&](const Status& status) {
                 closed_well = status.has_value();
                 loop_.stop();
               });
  const std::string big(3'000'000, 'x');
  client.send(big);
  client.send("end.");
  loop_.run_for(kLong);
  EXPECT_EQ(got, big + "end.");
  EXPECT_EQ(closed_well, true);
  EXPECT_EQ(accepted_, nullptr);
}

TEST_F(StreamTest, PeerThatDoesNotReadIsDisconnected) {
  const std::string path = folder_ + "/s";
  auto listener = listen(path);
  ASSERT_TRUE(listener);
  std::string why;
  on_accept_ = [&] {
    accepted_->set_max_queued(1 << 20);
    accepted_->start([](Bytes) {},
                     [&](const Status& status) {
                       why = status.error().message;
                       loop_.stop();
                     });
    for (int i = 0; i < 100; ++i) accepted_->send(std::string(1 << 16, 'x'));
  };
  const auto client = connect_unix(path);
  ASSERT_TRUE(client);
  loop_.run_for(kLong);
  EXPECT_EQ(why, path + ": the peer does not read what it is sent");
}

TEST_F(StreamTest, MayBeDestroyedWhileReceiving) {
  const std::string path = folder_ + "/s";
  auto listener = listen(path);
  ASSERT_TRUE(listener);
  on_accept_ = [&] {
    accepted_->start(
        [&](Bytes) {
          accepted_.reset();
          loop_.stop();
        },
        [](const Status&) { FAIL() << "nothing is told to a stream that is gone"; });
  };
  const auto client = connect_unix(path);
  ASSERT_EQ(write(client->get(), "x", 1), 1);
  loop_.run_for(kLong);
  EXPECT_EQ(accepted_, nullptr);
  loop_.run_for(Duration::milliseconds(5));
}

TEST_F(StreamTest, ListenerReplacesStaleSocketsOnly) {
  const std::string path = folder_ + "/s";
  {
    auto listener = listen(path);
    ASSERT_TRUE(listener);
    struct stat info{};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u);
    const auto second = listen(path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message, "cannot listen on " + path + ": another process is listening there");
    // What a crash leaves: the file of a listener that is gone.
    std::filesystem::create_hard_link(path, folder_ + "/stale");
  }
  EXPECT_FALSE(std::filesystem::exists(path)) << "the listener removes its socket";
  EXPECT_TRUE(listen(folder_ + "/stale"));

  std::ofstream(folder_ + "/file") << "precious";
  EXPECT_EQ(listen(folder_ + "/file").error().message,
            "cannot listen on " + folder_ + "/file: it exists and is not a socket");
  EXPECT_EQ(listen(folder_ + "/none/s").error().message,
            "cannot create socket " + folder_ + "/none/s: No such file or directory");
}

TEST_F(StreamTest, PathsLongerThanASocketAddressWork) {
  const std::string folder = folder_ + "/" + std::string(120, 'd');
  ASSERT_TRUE(std::filesystem::create_directory(folder));
  const auto listener = listen(folder + "/s");
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_TRUE(std::filesystem::exists(folder + "/s"));
  EXPECT_TRUE(connect_unix(folder + "/s"));
}

TEST_F(StreamTest, ConnectingToNobodyIsExplained) {
  EXPECT_EQ(connect_unix(folder_ + "/s").error().message,
            "cannot connect to \"" + folder_ + "/s\" (No such file or directory)");
}

TEST_F(StreamTest, PidFileIsLockedAndRemoved) {
  const std::string path = folder_ + "/d.pid";
  EXPECT_EQ(read_pidfile(path).error().message,
            "cannot read pidfile \"" + path + "\" (No such file or directory)");
  std::ofstream(path) << "1\n";
  EXPECT_EQ(read_pidfile(path).error().message,
            "pidfile \"" + path + "\" is stale: no process has it locked");
  std::ofstream(path) << "one\n";
  EXPECT_EQ(read_pidfile(path).error().message, "pidfile \"" + path + "\" does not hold a process number");

  int ready[2], done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {  // the daemon: holds the file until told to end
    bool ok;
    {
      const auto file = PidFile::create(path);
      ok = file.has_value();
      char c = ok ? 'y' : 'n';
      ok = write(ready[1], &c, 1) == 1 && read(done[0], &c, 1) == 1 && ok;
    }
    _exit(ok && !std::filesystem::exists(path) ? 0 : 1);
  }
  char c = 0;
  ASSERT_EQ(read(ready[0], &c, 1), 1);
  EXPECT_EQ(c, 'y');
  const auto pid = read_pidfile(path);
  ASSERT_TRUE(pid) << pid.error().message;
  EXPECT_EQ(*pid, child);
  EXPECT_EQ(PidFile::create(path).error().message,
            path + ": already running as pid " + std::to_string(child) + ", aborting");
  ASSERT_EQ(write(done[1], "x", 1), 1);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(std::filesystem::exists(path));
  for (const int fd : {ready[0], ready[1], done[0], done[1]}) close(fd);
}

}  // namespace
}  // namespace sluice::io
