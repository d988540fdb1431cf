// Which network interfaces the process's namespace has, told by the kernel as they come, go and change
// (rtnetlink(7)): nobody needs to ask for each of thousands again and again.
//
// Main thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/result.h"
#include "base/rtnetlink.h"

namespace sluice::port {

class Links {
 public:
  /// Knows all interfaces when it returns.
  static Result<std::unique_ptr<Links>> open();
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  /// Polls readable when the kernel has news.
  int fd() const { return socket_.fd(); }
  /// Takes in what the kernel has told by now. To be called now and then even if it has told nothing: what it
  /// could not tell is asked for a few times at once, then with the next call.
  void update();
  /// As of now: what the kernel has told is taken in first.
  bool exists(const std::string& name);
  /// Interfaces that came, went or changed since the last call; after news were lost, those that may have.
  std::set<std::string> take_changed() { return std::exchange(changed_, {}); }

 private:
  explicit Links(rtnetlink::Socket socket) : socket_(std::move(socket)) {}

  /// @return whether that was all.
  Result<bool> ask_for_all();
  void read_news();
  void read(const nlmsghdr& message);
  void learn(int index, const std::string& name);
  void forget(int index);
  /// After news were lost: asks for everything again.
  void start_over();

  rtnetlink::Socket socket_;
  std::unordered_map<int, std::string> names_;  ///< by index
  std::map<std::string, int> indices_;
  std::set<std::string> changed_;
  bool lost_ = false;  ///< the kernel could not tell all
};

}  // namespace sluice::port
