#include "port/links.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::port {

namespace {

/// For the news of thousands of interfaces that come at once.
constexpr int kSocketBytes = 4 << 20;

std::string name_in(const nlmsghdr& header) {
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(&header));
  int left = static_cast<int>(IFLA_PAYLOAD(&header));
  for (const rtattr* at = IFLA_RTA(info); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if (at->rta_type != IFLA_IFNAME) continue;
    const auto* text = static_cast<const char*>(RTA_DATA(at));
    return {text, ::strnlen(text, RTA_PAYLOAD(at))};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Links>> Links::open() {
  SLUICE_ASSIGN(auto socket, rtnetlink::Socket::open(RTMGRP_LINK));
  if (::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBytes, sizeof kSocketBytes) != 0)
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &kSocketBytes, sizeof kSocketBytes);
  std::unique_ptr<Links> links(new Links(std::move(socket)));
  SLUICE_ASSIGN(const bool whole, links->ask_for_all());
  links->lost_ = !whole;
  links->update();
  links->changed_.clear();
  return links;
}

Result<bool> Links::ask_for_all() {
  ifinfomsg wanted{};
  wanted.ifi_family = AF_UNSPEC;
  return socket_.list(RTM_GETLINK, {reinterpret_cast<const std::uint8_t*>(&wanted), sizeof wanted},
                      [this](const nlmsghdr& message) { read(message); });
}

void Links::read(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_NEWLINK && message.nlmsg_type != RTM_DELLINK) return;
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
  // Of a bridge that the interface is in comes RTM_DELLINK as well, with this family, when it leaves it.
  if (info->ifi_family != AF_UNSPEC) return;
  if (message.nlmsg_type == RTM_NEWLINK)
    learn(info->ifi_index, name_in(message));
  else
    forget(info->ifi_index);
}

void Links::learn(int index, const std::string& name) {
  if (const auto known = names_.find(index); known != names_.end() && known->second != name) forget(index);
  names_[index] = name;
  indices_[name] = index;
  changed_.insert(name);
}

void Links::forget(int index) {
  const auto known = names_.find(index);
  if (known == names_.end()) return;
  changed_.insert(known->second);
  // Another interface may have the name by now.
  if (const auto found = indices_.find(known->second); found != indices_.end() && found->second == index)
    indices_.erase(found);
  names_.erase(known);
}

void Links::start_over() {
  const auto names = std::exchange(names_, {});
  indices_.clear();
  for (const auto& [index, name] : names) changed_.insert(name);
  const auto whole = ask_for_all();
  lost_ = !whole || !*whole;
  if (!lost_) return;
  // Better what was than nothing: what was left out would seem to have gone.
  for (const auto& [index, name] : names)
    if (names_.emplace(index, name).second) indices_.emplace(name, index);
}

void Links::read_news() {
  alignas(nlmsghdr) std::array<std::uint8_t, rtnetlink::kDatagramBytes> buffer;
  for (;;) {
    const ssize_t got = ::recv(socket_.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got >= 0)
      rtnetlink::for_each_message({buffer.data(), static_cast<std::size_t>(got)},
                                  [this](const nlmsghdr& message) { read(message); });
    else if (errno == ENOBUFS)
      lost_ = true;  // nor does the kernel keep any more before all is read that it has
    else if (errno != EINTR)
      return;
  }
}

void Links::update() {
  constexpr unsigned kAtOnce = 3;
  read_news();
  for (unsigned i = 0; lost_ && i < kAtOnce; ++i) {
    start_over();
    read_news();
  }
}

bool Links::exists(const std::string& name) {
  update();
  return indices_.contains(name);
}

}  // namespace sluice::port
