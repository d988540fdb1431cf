// For tests: network namespaces of their own, entered and left, removed at the end. Needs root and ip(8).
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace sluice::port {

/// A namespace by name. While an Entered lives, the calling thread is inside.
class NetworkNamespace {
 public:
  explicit NetworkNamespace(const std::string& purpose)
      : name_("sluice-" + std::to_string(getpid()) + "-" + purpose),
        made_(std::system(("ip netns add " + name_ + " 2>/dev/null").c_str()) == 0) {
    if (made_) ip("link set lo up");
  }
  ~NetworkNamespace() {
    if (!made_) return;
    EXPECT_EQ(std::system(("ip netns del " + name_).c_str()), 0);
  }
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;

  bool made() const { return made_; }
  const std::string& name() const { return name_; }
  /// Runs `ip ARGUMENTS` inside.
  void ip(const std::string& arguments) const {
    EXPECT_EQ(std::system(command(arguments).c_str()), 0) << arguments;
  }

  class Entered {
   public:
    explicit Entered(const NetworkNamespace& inside)
        : before_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
      const int fd = open(("/var/run/netns/" + inside.name_).c_str(), O_RDONLY | O_CLOEXEC);
      EXPECT_EQ(setns(fd, CLONE_NEWNET), 0);
      close(fd);
    }
    ~Entered() {
      EXPECT_EQ(setns(before_, CLONE_NEWNET), 0);
      close(before_);
    }
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;

   private:
    int before_;
  };

 private:
  std::string command(const std::string& arguments) const { return "ip -n " + name_ + " " + arguments; }
  std::string name_;
  bool made_;
};

}  // namespace sluice::port
