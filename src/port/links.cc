#include "port/links.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::port {

namespace {

/// A dump's largest message; the kernel sends no larger ones unless asked (rtnetlink(7)).
constexpr std::size_t kBufferBytes = 32'768;
/// For the news of thousands of interfaces that come at once.
constexpr int kSocketBytes = 4 << 20;

tl::unexpected<Error> failure(const char* what) {
  return fail(std::string("rtnetlink: ") + what + ": " + std::strerror(errno));
}

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
  const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (socket < 0) return failure("no socket");
  std::unique_ptr<Links> links(new Links(socket));
  if (::setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBytes, sizeof kSocketBytes) != 0)
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &kSocketBytes, sizeof kSocketBytes);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failure("bind");
  SLUICE_TRY(links->ask_for_all());
  links->changed_.clear();
  return links;
}

Links::~Links() {
  ::close(socket_);
}

Status Links::ask_for_all() {
  struct {
    nlmsghdr header;
    ifinfomsg info;
  } request{};
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.info);
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.info.ifi_family = AF_UNSPEC;
  if (::send(socket_, &request, request.header.nlmsg_len, 0) < 0) return failure("send");
  alignas(nlmsghdr) std::array<std::uint8_t, kBufferBytes> buffer;
  for (bool complete = false; !complete;) {
    const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (got < 0 && (errno == EINTR || errno == ENOBUFS)) continue;
    if (got < 0) return failure("receive");
    complete = read_messages(buffer.data(), static_cast<std::size_t>(got));
  }
  return {};
}

bool Links::read_messages(const std::uint8_t* data, std::size_t size) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(data);
  for (std::size_t left = size; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
    if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) return true;
    if (header->nlmsg_type != RTM_NEWLINK && header->nlmsg_type != RTM_DELLINK) continue;
    const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(header));
    // Of a bridge that the interface is in comes RTM_DELLINK as well, with this family, when it leaves it.
    if (info->ifi_family != AF_UNSPEC) continue;
    if (header->nlmsg_type == RTM_NEWLINK)
      learn(info->ifi_index, name_in(*header));
    else
      forget(info->ifi_index);
  }
  return false;
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
  for (const auto& [index, name] : names_) changed_.insert(name);
  names_.clear();
  indices_.clear();
  (void)ask_for_all();
}

void Links::update() {
  alignas(nlmsghdr) std::array<std::uint8_t, kBufferBytes> buffer;
  for (;;) {
    const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got >= 0)
      read_messages(buffer.data(), static_cast<std::size_t>(got));
    else if (errno == ENOBUFS)
      start_over();
    else if (errno != EINTR)
      return;
  }
}

bool Links::exists(const std::string& name) {
  update();
  return indices_.contains(name);
}

}  // namespace sluice::port
