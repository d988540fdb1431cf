"""Packets through the tracker of the Linux kernel. Run in a network namespace of its own (ct_device.py does):

    unshare --net python3 ct_kernel.py RULES

RULES: a file with more nftables rules. Packets are read from standard input and answered on standard output, batch by
batch: a number of 4 bytes and so many packets, each as 2 bytes length and the bytes of the IP packet; the answer is what
came out, in the same form. A batch of none is answered with what conntrack -L says: 4 bytes length and the text.

All packets arrive at one tun device and are forwarded to another. On the way out nftables writes what the tracker said
into the packet: state, direction and NAT into the DSCP field, the connection's mark into the TTL (verdict_of() reads
them). A packet's DSCP is also the mark that it asks for when it comes in: sequences of rule "every" (see
ct_sequence.py) set it with each valid packet, those of rule "new" once.
"""

import fcntl
import os
import select
import struct
import subprocess
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
STATES = {1: "new", 2: "est", 3: "rel", 4: "inv", 5: "untracked"}

SYSCTL = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0",
          "net.ipv4.conf.default.rp_filter=0", "net.ipv4.conf.all.send_redirects=0",
          "net.ipv4.conf.default.send_redirects=0", "net.ipv6.conf.default.accept_dad=0",
          "net.netfilter.nf_conntrack_checksum=1", "net.netfilter.nf_conntrack_log_invalid=0",
          # What never becomes whole must not make the rest wait for room.
          "net.ipv4.ipfrag_high_thresh=1000000000", "net.netfilter.nf_conntrack_frag6_high_thresh=1000000000"]
# Nothing may time out during a run: only the fragment and retransmission timers keep their defaults.
TIMEOUTS = ["tcp_timeout_close", "tcp_timeout_close_wait", "tcp_timeout_established", "tcp_timeout_fin_wait",
            "tcp_timeout_last_ack", "tcp_timeout_max_retrans", "tcp_timeout_syn_recv", "tcp_timeout_syn_sent",
            "tcp_timeout_time_wait", "tcp_timeout_unacknowledged", "udp_timeout", "udp_timeout_stream", "icmp_timeout",
            "icmpv6_timeout", "generic_timeout", "sctp_timeout_closed", "sctp_timeout_cookie_wait",
            "sctp_timeout_cookie_echoed", "sctp_timeout_established", "sctp_timeout_shutdown_sent",
            "sctp_timeout_shutdown_recd", "sctp_timeout_shutdown_ack_sent", "sctp_timeout_heartbeat_sent"]


def ruleset():
    marks = "{ " + ", ".join(f"{n:#04x} : {n}" for n in range(64)) + " }"
    chains, enter = [], []
    for name, key, write4, write6 in (("state", "meta mark", "dscp set {:#04x}", "dscp set {:#04x}"),
                                      ("mark", "ct mark", "ttl set 1{:02}", "hoplimit set 1{:02}")):
        for n in range(64):  # nftables writes constants only into fields that share a byte or a word with another
            chains.append(f"chain {name}{n} {{ ip {write4.format(n)}\n ip6 {write6.format(n)}\n }}")
        enter.append(f"{key} vmap {{ " + ", ".join(f"{n} : jump {name}{n}" for n in range(64)) + " }")
    lines = []
    for family, every, once in (("ip", "10.0.0.0/15", "10.2.0.0/15"), ("ip6", "fd00::/31", "fd00:2::/31")):
        lines += [f"{family} saddr {every} ct state new,established,related ct mark set {family} dscp map {marks}",
                  f"{family} saddr {once} ct state new ct mark 0 ct mark set {family} dscp map {marks}"]
    state = [f"ct state {name} meta mark set {bit}" for name, bit in
             (("new", 1), ("established", 2), ("related", 3), ("invalid", 4), ("untracked", 5))]
    more = ["ct direction reply meta mark set meta mark | 8", "ct status snat meta mark set meta mark | 16",
            "ct status dnat meta mark set meta mark | 32"]
    return "\n".join(["table inet oracle {", *chains, "chain marks { type filter hook forward priority 0;", *lines,
                      "}", "chain show { type filter hook postrouting priority 300;", "meta mark set 0", *state, *more,
                      *enter, "}", "}", ""])


def tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def set_up(rules):
    names = [*SYSCTL, *(f"net.netfilter.nf_conntrack_{t}=100000" for t in TIMEOUTS)]
    into, out = tun("in"), tun("out")
    for name in names:
        key, value = name.split("=")
        with open("/proc/sys/" + key.replace(".", "/"), "w", encoding="ascii") as file:
            file.write(value)
    subprocess.run(["nft", "-f", "-"], input=ruleset() + rules, text=True, check=True)
    commands = ["link set lo up", "addr add 192.0.2.1/32 dev in", "addr add 192.0.2.2/32 dev out"]
    commands += [f"link set {name} up mtu 65535 txqueuelen 10000" for name in ("in", "out")]
    commands += ["route add default dev out", "-6 route add default dev out"]
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)
    return into, out


def verdict_of(packet):
    if packet[0] >> 4 == 4:
        word, ttl = packet[1] >> 2, packet[8]
    else:
        word, ttl = (packet[0] << 8 | packet[1]) >> 6 & 0x3f, packet[7]
    state = STATES.get(word & 7, "none")
    for bit, name in ((8, "rpl"), (16, "snat"), (32, "dnat")):
        if word & bit:
            state += "+" + name
    return f"{state} {ttl - 100 if ttl >= 100 else 0}"


def run(packets, into, out):
    """What comes out."""
    received = []

    def read():
        try:
            while True:
                received.append(os.read(out, 65536))
        except BlockingIOError:
            pass

    for packet in packets:
        try:
            os.write(into, packet)
        except OSError:  # not even an IP packet
            pass
        read()
    while select.select([out], [], [], 0.1)[0]:
        read()
    return received


def connections():
    return b"".join(subprocess.run(["conntrack", "-L", "-f", family], capture_output=True, check=True).stdout
                    for family in ("ipv4", "ipv6"))


def main():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one queue: packets stay in order
    with open(sys.argv[1], encoding="ascii") as file:
        into, out = set_up(file.read())
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while count := source.read(4):
        packets = [source.read(int.from_bytes(source.read(2), "big")) for _ in range(int.from_bytes(count, "big"))]
        if packets:
            answer = run(packets, into, out)
            sink.write(struct.pack("!I", len(answer)))
            sink.writelines(struct.pack("!H", len(p)) + p for p in answer)
        else:
            text = connections()
            sink.write(struct.pack("!I", len(text)) + text)
        sink.flush()


if __name__ == "__main__":
    main()
