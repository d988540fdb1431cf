#!/usr/bin/env bash
# A stateful firewall between two hosts, live: `examples/demo.sh BUILD_FOLDER` (./run demo calls it).
#
# Three network namespaces: "inside" and "outside" are hosts, "switch" holds Sluice and the other ends of their cables.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
build=$(readlink -f "$1")
id=demo$$
inside=$id-inside outside=$id-outside switch=$id-switch
work=$(mktemp -d)
export SLUICE_RUNDIR=$work
pids=()

cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
  for ns in $inside $outside $switch; do ip netns del "$ns" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() {
  printf '\033[2m$ %s\033[0m\n' "$*"
  "$@"
}
fail() {
  echo "demo: $*" >&2
  [ -s "$work/sluiced.log" ] && tail -n 20 "$work/sluiced.log" >&2
  exit 1
}
# wait_for WHAT COMMAND…: until the command succeeds, ten seconds at most.
wait_for() {
  local what=$1
  shift
  for _ in $(seq 100); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  fail "$what did not come up"
}

say "Two hosts, and a switch between them"
for ns in $inside $outside $switch; do
  ip netns add "$ns"
  ip -n "$ns" link set lo up
done
# host NAMESPACE PORT ADDRESS4 ADDRESS6
host() {
  ip link add eth0 netns "$1" type veth peer name "$2" netns "$switch"
  ip netns exec "$switch" sysctl -qw "net.ipv6.conf.$2.disable_ipv6=1"
  ip -n "$1" addr add "$3" dev eth0
  ip -n "$1" addr add "$4" dev eth0 nodad
  ip -n "$1" link set eth0 up
  ip -n "$switch" link set "$2" up
}
host "$inside" veth-in 10.0.0.1/24 fd00::1/64
host "$outside" veth-out 10.0.0.2/24 fd00::2/64
ip netns exec "$switch" "$build/sluiced" --bridge br0 --port veth-in --port veth-out --flows "$here/firewall.flows" \
  >"$work/sluiced.log" 2>&1 &
pids+=($!)
wait_for "the switch" "$build/sluice" appctl version

mkdir -p "$work/www-in" "$work/www-out"
echo "Hello from the outside." >"$work/www-out/index.html"
echo "The inside's secret." >"$work/www-in/index.html"
ip netns exec "$outside" /usr/bin/python3 -m http.server 80 --bind 10.0.0.2 --directory "$work/www-out" >/dev/null 2>&1 &
pids+=($!)
ip netns exec "$inside" /usr/bin/python3 -m http.server 80 --bind 10.0.0.1 --directory "$work/www-in" >/dev/null 2>&1 &
pids+=($!)
wait_for "the outside web server" ip netns exec "$outside" curl -s -o /dev/null http://10.0.0.2/
wait_for "the inside web server" ip netns exec "$inside" curl -s -o /dev/null http://10.0.0.1/
echo "inside 10.0.0.1 (port 1) --- Sluice br0 --- outside 10.0.0.2 (port 2), rules: examples/firewall.flows"

say "Inside asks outside for a page: allowed"
show ip netns exec "$inside" curl -s --max-time 5 http://10.0.0.2/ || fail "the page did not come"

say "Outside asks inside for a page: refused by policy (no answer within 2 seconds)"
if show ip netns exec "$outside" curl -s --max-time 2 http://10.0.0.1/; then fail "the firewall let it through"; fi
echo "refused"

say "Inside pings outside: allowed, IPv4 and IPv6"
show ip netns exec "$inside" ping -n -c 3 -i 0.2 -W 2 10.0.0.2 || fail "ping failed"
show ip netns exec "$inside" ping -n -c 2 -i 0.2 -W 2 fd00::2 || fail "ping over IPv6 failed"

say "The flows, with what they counted"
show "$build/sluice" flow list br0

say "The connection table"
show "$build/sluice" ct list

say "Why an allowed packet passes: the first packet of a connection from inside"
show "$build/sluice" trace br0 in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tp_src=50000,tp_dst=80,tcp_flags=syn

say "Why a refused packet does not: the same from outside"
show "$build/sluice" trace br0 in_port=2,tcp,nw_src=10.0.0.2,nw_dst=10.0.0.1,nw_ttl=64,tp_src=50000,tp_dst=80,tcp_flags=syn

say "Done: a stateful firewall, live. Everything is torn down now."
