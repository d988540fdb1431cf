#include "io/child_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "io/event_loop.h"

namespace sluice::io {
namespace {

constexpr Duration kLong = Duration::seconds(60);

TEST(ChildProcess, ReadsAndPrintsWithoutAnybodyWaiting) {
  const std::string much(1 << 20, 'x');
  const auto child = ChildProcess::start({"sh", "-c", "cat; echo wrong >&2"}, much);
  ASSERT_TRUE(child);
  ASSERT_TRUE(child->wait(kLong));
  EXPECT_EQ(child->output(), much + "wrong\n");
  EXPECT_EQ(child->exit_status(), 0);
}

TEST(ChildProcess, ItsEndIsAnEvent) {
  EventLoop loop;
  const auto child = ChildProcess::start({"cat"}, "text");
  ASSERT_TRUE(child);
  const ReadWatch watch(loop, child->fd(), [&] { loop.stop(); });
  loop.run_for(kLong);
  EXPECT_TRUE(child->wait({}));
  EXPECT_EQ(child->output(), "text");
}

TEST(ChildProcess, InheritsNoDescriptor) {
  const UniqueFd ours(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC
  const auto child = ChildProcess::start({"test", "-e", "/proc/self/fd/" + std::to_string(ours.get())}, "");
  ASSERT_TRUE(child);
  ASSERT_TRUE(child->wait(kLong));
  EXPECT_EQ(child->exit_status(), 1);
}

TEST(ChildProcess, EndsWhenItIsToldTo) {
  const auto child = ChildProcess::start({"sleep", "1000"}, "");
  ASSERT_TRUE(child);
  EXPECT_FALSE(child->wait({}));
  child->kill();
  EXPECT_TRUE(child->wait(kLong));
  EXPECT_EQ(child->exit_status(), io::ChildProcess::kKilled + SIGKILL);
}

TEST(ChildProcess, OneThatIsNotThere) {
  const auto child = ChildProcess::start({"no-such-program-here"}, "");
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().message, "cannot run no-such-program-here: No such file or directory");
}

}  // namespace
}  // namespace sluice::io
