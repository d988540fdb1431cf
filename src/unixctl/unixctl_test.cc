#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "io/clock.h"
#include "io/pidfile.h"
#include "io/stream.h"
#include "unixctl/client.h"
#include "unixctl/command.h"
#include "unixctl/server.h"

namespace sluice::unixctl {
namespace {

using Strings = std::vector<std::string>;

class TestSink final : public Reply::Sink {
 public:
  explicit TestSink(std::string& text) : text_(text) {}
  void answer(Result<std::string> result) override {
    text_ = result ? parts_ + *result : "error: " + result.error().message;
  }
  void append(std::string lines) override { parts_ += lines; }
  std::optional<std::size_t> waiting() const override { return parts_.size(); }

 private:
  std::string& text_;
  std::string parts_;
};

/// What a command answers.
std::string run(const CommandRegistry& commands, std::string_view name, const Strings& args = {}) {
  std::string text = "(no answer)";
  commands.run(name, args, Reply(io::Held<Reply::Sink>(new TestSink(text))));
  return text;
}

TEST(CommandRegistry, AnswersAsOvsVswitchdDoes) {
  CommandRegistry commands("testd", "0.1");
  commands.add("bridge/dump-flows", "[--offload-stats] bridge", 1, 2, [](Args args) -> Result<std::string> {
    return args.size() == 1 ? Result<std::string>(args[0]) : fail("two");
  });
  commands.add("a-command-of-twenty-four-c", "X", 0, CommandRegistry::kAnyArgs,
               [](Args) { return std::string(); });
  EXPECT_EQ(run(commands, "version"), "testd (Sluice) 0.1\n");
  EXPECT_EQ(run(commands, "list-commands"),
            "The available commands are:\n"
            "  a-command-of-twenty-four-c X\n"
            "  bridge/dump-flows       [--offload-stats] bridge\n"
            "  list-commands           \n"
            "  version                 \n");
  EXPECT_EQ(run(commands, "bridge/dump-flows", {"br0"}), "br0");
  EXPECT_EQ(run(commands, "bridge/dump-flows", {"a", "b"}), "error: two");
  EXPECT_EQ(run(commands, "bridge/dump-flows"),
            "error: \"bridge/dump-flows\" command requires at least 1 arguments");
  EXPECT_EQ(run(commands, "bridge/dump-flows", {"a", "b", "c"}),
            "error: \"bridge/dump-flows\" command takes at most 2 arguments");
  EXPECT_EQ(run(commands, "a-command-of-twenty-four-c", Strings(100, "x")), "");
  commands.remove("version");
  EXPECT_EQ(
      run(commands, "version"),
      "error: \"version\" is not a valid command (use \"list-commands\" to see a list of valid commands)");
}

TEST(CommandRegistry, ReplyThatIsDroppedIsAnError) {
  CommandRegistry commands("testd", "0.1");
  std::optional<Reply> kept;
  commands.add_deferred("later", "", 0, 0, [&](Args, Reply reply) { kept.emplace(std::move(reply)); });
  commands.add_deferred("never", "", 0, 0, [](Args, const Reply&) {});
  EXPECT_EQ(run(commands, "never"), "error: the command was abandoned");
  std::string text;
  commands.run("later", {}, Reply(io::Held<Reply::Sink>(new TestSink(text))));
  EXPECT_EQ(text, "");
  (*kept)("now");
  kept.reset();
  EXPECT_EQ(text, "now");
}

std::int64_t test_clock() {
  return 0;
}

/// A server on a loop in this thread; clients run in another one.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest() : commands_("testd", "0.1"), log_("testd", test_clock) {
    std::string folder = ::testing::TempDir() + "sluice_ctl_XXXXXX";
    folder_ = mkdtemp(folder.data());
    path_ = default_socket_path(folder_, "testd", getpid());
    commands_.add("echo", "[text]...", 0, CommandRegistry::kAnyArgs, [](Args args) -> Result<std::string> {
      std::string text;
      for (const std::string& arg : args) text += arg + "|";
      return text;
    });
    commands_.add("refuse", "", 0, 0, [](Args) -> Result<std::string> { return fail("not today"); });
    commands_.add("big", "", 0, 0, [](Args) -> Result<std::string> { return std::string(4'000'000, 'x'); });
    commands_.add_deferred("later", "", 0, 0, [this](Args, Reply reply) {
      deferred_.emplace_back(std::move(reply));
      loop_.post([this] {
        deferred_.front()("at last");
        deferred_.erase(deferred_.begin());
      });
    });
    commands_.add_deferred("keep", "", 0, 0,
                           [this](Args, Reply reply) { deferred_.emplace_back(std::move(reply)); });
    add_log_commands(commands_, log_);
    auto server = Server::open(loop_, path_, commands_);
    EXPECT_TRUE(server) << server.error().message;
    if (server) server_ = std::move(*server);
  }
  ~ServerTest() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  /// Runs `client` in a thread and the loop here until it returns.
  void with_client(const std::function<void()>& client) {
    std::thread thread([&] {
      client();
      loop_.post([this] { loop_.stop(); });
    });
    loop_.run_for(Duration::seconds(20));
    thread.join();
  }
  /// Runs the loop until `done`, ten seconds at most.
  template <typename Done>
  void run_until(Done&& done) {
    for (int i = 0; i < 2'000 && !done(); ++i) loop_.run_for(Duration::milliseconds(5));
  }
  /// Answers in the text: each ends with its error.
  static int ends_in(const std::string& text) {
    int n = 0;
    for (std::size_t at = 0; (at = text.find("\"error\":", at)) != std::string::npos; ++at) ++n;
    return n;
  }
  /// Sends bytes as they are; what comes back until `answers` answers are there or the peer closes.
  std::string exchange(const std::string& bytes, int answers = 1) {
    const auto socket = io::connect_unix(path_);
    if (!socket) return socket.error().message;
    const timeval limit{10, 0};
    setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(send(socket->get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    std::string got;
    char buffer[4096];
    for (;;) {
      if (got.ends_with('}') && ends_in(got) >= answers) return got;
      const ssize_t n = recv(socket->get(), buffer, sizeof buffer, 0);
      if (n == 0) return got + "<closed>";
      if (n < 0) return got;
      got.append(buffer, static_cast<std::size_t>(n));
    }
  }

  io::EventLoop loop_;
  CommandRegistry commands_;
  log::Log log_;
  std::vector<Reply> deferred_;
  std::string folder_, path_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, ClientCallsAndIsAnswered) {
  with_client([&] {
    auto client = Client::connect(path_);
    ASSERT_TRUE(client);
    const Strings args = {"a", "\"quoted\"", "\xc3\xa4\n"};
    auto answer = client->call("echo", args);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->text, "a|\"quoted\"|\xc3\xa4\n|\n");
    EXPECT_FALSE(answer->refused);
    answer = client->call("refuse", {});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->text, "not today\n");
    EXPECT_TRUE(answer->refused);
    EXPECT_EQ(client->call("later", {})->text, "at last\n");
    EXPECT_EQ(client->call("echo", {})->text, "");
    EXPECT_EQ(client->call("big", {})->text.size(), 4'000'001u);
  });
  EXPECT_TRUE(server_->idle());
}

TEST_F(ServerTest, ClientGivesUpInTime) {
  with_client([&] {
    auto client = Client::connect(path_);
    ASSERT_TRUE(client);
    const auto answer = client->call("keep", {}, Duration::milliseconds(50));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().message, path_ + ": no answer in time");
  });
  run_until([&] { return deferred_.size() == 1 && server_->idle(); });
  ASSERT_EQ(deferred_.size(), 1u);
  EXPECT_TRUE(server_->idle()) << "the server sees that the client has gone";
  deferred_[0]("to nobody");
}

TEST_F(ServerTest, ReplyMayOutliveTheServer) {
  with_client([&] {
    auto client = Client::connect(path_);
    EXPECT_FALSE(client->call("keep", {}, Duration::milliseconds(50)));
  });
  run_until([&] { return deferred_.size() == 1; });
  server_.reset();
  ASSERT_EQ(deferred_.size(), 1u);
  deferred_[0]("to nobody");
}

TEST_F(ServerTest, RequestsOfAConnectionAreAnsweredInOrder) {
  with_client([&] {
    EXPECT_EQ(exchange(R"({"method":"later","params":[],"id":1} {"method":"echo","params":["x"],"id":2})", 2),
              R"({"id":1,"result":"at last\n","error":null}{"id":2,"result":"x|\n","error":null})");
  });
}

TEST_F(ServerTest, SpeaksTheProtocolOfOvsAppctl) {
  with_client([&] {
    EXPECT_EQ(exchange(R"({"method":"version","params":[],"id":"x"})"),
              R"({"id":"x","result":"testd (Sluice) 0.1\n","error":null})");
    EXPECT_EQ(
        exchange(R"({"method":"nix","params":[],"id":0})"),
        R"({"id":0,"result":null,"error":"\"nix\" is not a valid command (use \"list-commands\" to see a list of )"
        R"(valid commands)\n"})");
    EXPECT_EQ(exchange(R"({"method":"echo","params":["a",1],"id":0})"),
              R"({"id":0,"result":null,"error":"\"echo\" command has non-string argument\n"})");
    // Wrong messages end the connection, as ovs-vswitchd does.
    EXPECT_EQ(exchange("garbage"), "<closed>");
    EXPECT_EQ(exchange(R"({"id":0,"result":1,"error":null})"), "<closed>");
    EXPECT_EQ(exchange(R"({"method":"version","params":[],"id":null})"), "<closed>");
    EXPECT_EQ(exchange(R"({"method":"version","params":{},"id":0})"), "<closed>");
  });
}

TEST_F(ServerTest, AnswersAreWrappedForClientsThatWantJson) {
  with_client([&] {
    EXPECT_EQ(exchange(R"({"method":"set-options","params":["--format","json"],"id":0})"
                       R"({"method":"version","params":[],"id":1}{"method":"refuse","params":[],"id":2})",
                       3),
              R"({"id":0,"result":{"reply":"","reply-format":"plain"},"error":null})"
              R"({"id":1,"result":{"reply":"testd (Sluice) 0.1\n","reply-format":"plain"},"error":null})"
              R"({"id":2,"result":null,"error":"not today\n"})");
    auto client = Client::connect(path_);
    ASSERT_TRUE(client);
    EXPECT_TRUE(client->call("set-options", Strings{"--format", "xml"})->refused);
    EXPECT_FALSE(client->call("set-options", Strings{"--format", "json"})->refused);
    EXPECT_EQ(client->call("version", {})->text, "testd (Sluice) 0.1\n");
  });
}

TEST_F(ServerTest, LongAnswersComeInParts) {
  std::vector<Reply> begun;
  commands_.add_deferred("begin", "", 0, 0, [&](Args, Reply reply) {
    reply.append("\"a\"\n");
    reply.append("b\n");
    begun.push_back(std::move(reply));
    loop_.post([&] { begun.back()("c"); });
  });
  commands_.add_deferred("break", "", 0, 0, [&](Args, Reply reply) { reply.append("a\n"); });
  with_client([&] {
    EXPECT_EQ(exchange(R"({"method":"begin","params":[],"id":"x"}{"method":"echo","params":[],"id":2})", 2),
              R"({"id":"x","result":"\"a\"\nb\nc\n","error":null}{"id":2,"result":"","error":null})");
    EXPECT_EQ(exchange(R"({"method":"set-options","params":["--format","json"],"id":0})"
                       R"({"method":"begin","params":[],"id":1})",
                       2),
              R"({"id":0,"result":{"reply":"","reply-format":"plain"},"error":null})"
              R"({"id":1,"result":{"reply":"\"a\"\nb\nc\n","reply-format":"plain"},"error":null})");
    EXPECT_EQ(exchange(R"({"method":"break","params":[],"id":0})"), R"({"id":0,"result":"a\n<closed>)");
  });
  EXPECT_TRUE(server_->idle());
}

TEST_F(ServerTest, WhoAnswersSeesThatNobodyWaitsAnyMore) {
  std::optional<Reply> reply;
  commands_.add_deferred("begin", "", 0, 0, [&](Args, Reply given) {
    given.append("a\n");
    reply.emplace(std::move(given));
  });
  with_client([&] {
    const auto socket = io::connect_unix(path_);
    ASSERT_TRUE(socket);
    const std::string request = R"({"method":"begin","params":[],"id":0})";
    ASSERT_EQ(send(socket->get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    char byte;
    ASSERT_EQ(recv(socket->get(), &byte, 1, 0), 1);
  });
  ASSERT_TRUE(reply);
  run_until([&] { return !reply->waiting(); });
  EXPECT_FALSE(reply->waiting());
}

TEST_F(ServerTest, LogCommandsWork) {
  log_.logger("bridge");
  with_client([&] {
    auto client = Client::connect(path_);
    ASSERT_TRUE(client);
    const auto call = [&](const std::string& command, const Strings& args = {}) {
      const auto answer = client->call(command, args);
      return answer ? (answer->refused ? "refused: " : "") + answer->text : answer.error().message;
    };
    EXPECT_EQ(call("vlog/set", {"bridge:syslog:off", "bridge:file:warn"}), "");
    EXPECT_EQ(call("vlog/disable-rate-limit", {"bridge"}), "");
    EXPECT_EQ(call("vlog/list"),
              "                 console    syslog    file\n"
              "                 -------    ------    ------\n"
              "bridge             OFF        OFF       WARN    (rate limiting disabled)\n");
    EXPECT_EQ(call("vlog/set", {"x:y"}), "refused: no destination, level, or module \"x\"\n");
    EXPECT_EQ(call("vlog/reopen"), "refused: Logging to file not configured\n");
    EXPECT_EQ(call("vlog/enable-rate-limit", {"x"}), "refused: unknown module\n");
    EXPECT_EQ(call("vlog/close"), "");
  });
}

TEST_F(ServerTest, SocketInUseIsTold) {
  const auto second = Server::open(loop_, path_, commands_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "cannot listen on " + path_ + ": another process is listening there");
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ServerTest, TargetsAreFoundByPidfile) {
  EXPECT_EQ(*find_socket("/x/y.ctl", folder_), "/x/y.ctl");
  EXPECT_EQ(find_socket("testd", folder_).error().message,
            "cannot read pidfile \"" + folder_ + "/testd.pid\" (No such file or directory)");
  EXPECT_EQ(Client::connect(folder_ + "/none").error().message,
            "cannot connect to \"" + folder_ + "/none\" (No such file or directory)");
}

/// The output (both streams) and exit status of a program.
struct Output {
  std::string text;
  int status = -1;
};
Output output_of(const std::string& command) {
  Output output;
  std::FILE* const pipe = popen((command + " 2>&1").c_str(), "re");
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.text.append(buffer, n);
  const int status = pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return output;
}

TEST_F(ServerTest, RealOvsAppctlTalksToIt) {
  if (output_of("ovs-appctl --version").status != 0) GTEST_SKIP() << "needs ovs-appctl (openvswitch-common)";
  // The daemon's pidfile, locked by this process, so that the target is found by name.
  const auto pidfile = io::PidFile::create(folder_ + "/testd.pid");
  ASSERT_TRUE(pidfile);
  with_client([&] {
    Output out = output_of("ovs-appctl -t " + path_ + " list-commands");
    EXPECT_EQ(out.text, commands_.list());
    EXPECT_EQ(out.status, 0);
    out = output_of("OVS_RUNDIR=" + folder_ + " ovs-appctl -t testd echo a 'b c'");
    EXPECT_EQ(out.text, "a|b c|\n");
    out = output_of("ovs-appctl -t " + path_ + " refuse");
    EXPECT_EQ(out.text, "not today\novs-appctl: " + path_ + ": server returned an error\n");
    EXPECT_EQ(out.status, 2);
    EXPECT_EQ(output_of("ovs-appctl -t " + path_ + " later").text, "at last\n");
    EXPECT_EQ(output_of("ovs-appctl -t " + path_ + " big").text.size(), 4'000'001u);
  });
}

}  // namespace
}  // namespace sluice::unixctl
