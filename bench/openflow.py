#!/usr/bin/env python3
"""Flow-mods by the hundred thousand: time, memory, and what the traffic notices, for sluiced beside the installed ovs-vswitchd.

Both run in a network namespace of their own, one after the other, with two hosts on veth ports and a tracked connection
between them that sends all the time. Both get the same bytes over their mgmt socket: flow-mods that are encoded before the
clock starts, then a barrier (or a bundle and its commit), so that the switch is measured and not the client. The tables go in where the
traffic passes, before the flow that it uses. With the commands of both (`add-flows`) they are loaded once more, clients
included.

    100,000 exact flows in one bundle · 1,000,000 exact flows · 100,000 flows over 200 masks

us of main   CPU time of the switch's main thread, a flow-mod
B a flow     what resident memory grew by
% of packets, lost   of those that were sent while the flows went in, what arrived and what did not

Run as root: it makes network namespaces. Usage: bench/openflow.py [--scale F] [--build FOLDER] [--json FILE]
"""

import argparse
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, f"{ROOT}/tests/system")
sys.dont_write_bytecode = True

from net import Host, Namespace, wait_until  # noqa: E402  (its folder is known only now)

VERSION = 5  # of OpenFlow 1.4
HELLO, ERROR, ECHO_REQUEST, FLOW_MOD, BARRIER_REQUEST, BARRIER_REPLY, BUNDLE_CONTROL, BUNDLE_ADD = 0, 1, 2, 14, 20, 21, 33, 34
OPEN, COMMIT, COMMIT_REPLY, ATOMIC_ORDERED = 0, 4, 5, 3
MASKS = 200
FLOWS = """
table=0,priority=200,arp,actions=NORMAL
table=0,priority=1,ip,actions=ct(table=1)
table=1,priority=50,ip,ct_state=+trk+est,actions=NORMAL
table=1,priority=40,ip,ct_state=+trk+new,actions=ct(commit),NORMAL
"""

SENDER = """
import signal, socket, struct, sys, time
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.bind(("", 5000))
end.connect((sys.argv[1], 5001))
sent, running = 0, True
def stop(*_):
    global running
    running = False
signal.signal(signal.SIGTERM, stop)
rate, start = int(sys.argv[2]), time.monotonic()
while running:
    due = int((time.monotonic() - start) * rate)
    for _ in range(min(due - sent, 64)):
        end.send(struct.pack("!Qd", sent, time.monotonic()) + bytes(48))
        sent += 1
    if sent >= due:
        time.sleep(0.0005)
    else:
        start += (due - sent) / rate  # what this machine did not give the time for is not made up for in a burst
print(sent)
"""

# Writes each packet's sequence number and time of sending to a file of 16 bytes a packet.
RECEIVER = """
import signal, socket, sys
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
end.bind(("", 5001))
end.settimeout(0.2)
running = True
def stop(*_):
    global running
    running = False
signal.signal(signal.SIGTERM, stop)
peer = None
with open(sys.argv[1], "wb") as out:
    while running:
        try:
            data, peer_now = end.recvfrom(2048)
        except socket.timeout:
            out.flush()
            continue
        if peer is None:
            peer = peer_now
            end.sendto(b"established", peer)
        out.write(data[:16])
"""


class Traffic:
    """A tracked UDP connection that sends all the time; afterwards it is known what of any span of time arrived."""

    def __init__(self, source, sink, folder, rate):
        self.path = f"{folder}/received"
        self.receiver = sink.start(["/usr/bin/python3", "-c", RECEIVER, self.path], stderr=sys.stderr)
        wait_until(lambda: ":5001 " in sink.run("ss -Hlnu").stdout, "the receiver", 30)
        self.sender = source.start(["/usr/bin/python3", "-c", SENDER, sink.ip(), str(rate)], stdout=subprocess.PIPE,
                                   stderr=sys.stderr)
        wait_until(lambda: os.path.exists(self.path) and os.path.getsize(self.path) > 0, "traffic", 30)
        self.arrived = None

    def stop(self):
        for process in (self.sender, self.receiver):
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            time.sleep(0.3)
        with open(self.path, "rb") as file:
            self.arrived = [struct.unpack("!Qd", chunk) for chunk in iter(lambda: file.read(16), b"")]

    def between(self, begin, end):
        """How many packets were sent in this time, by the numbers of those that arrived from before and after, and how many of
        them arrived."""
        first = max((number for number, at in self.arrived if at < begin), default=-1) + 1
        behind = min((number for number, at in self.arrived if at > end), default=None)
        if behind is None:
            raise AssertionError("no packet arrived after the flows were loaded")
        return behind - first, sum(1 for number, _ in self.arrived if first <= number < behind)


class Switch:
    """A switch with two hosts in network namespaces of its own."""

    def __init__(self, name):
        self.name = name
        self.space = Namespace("bench")
        self.folder = tempfile.mkdtemp(prefix=f"bench-{name}-")
        self.space.folders.append(self.folder)
        self.hosts = [Host("a", self.space, "port1", ["10.200.0.1/24"]), Host("b", self.space, "port2", ["10.200.0.2/24"])]
        self.pid = None

    def resident(self):
        with open(f"/proc/{self.pid}/statm", encoding="utf-8") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def main_time(self):
        """CPU seconds of the main thread, which takes the flow-mods: what other work on the machine disturbs least."""
        with open(f"/proc/{self.pid}/task/{self.pid}/stat", encoding="utf-8") as file:
            words = file.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        for host in self.hosts:
            host.close()
        self.space.close()


class Sluice(Switch):
    def __init__(self, build):
        super().__init__("sluice")
        self.env = {**os.environ, "SLUICE_RUNDIR": self.folder}
        self.client = [f"{build}/sluice", "ofctl"]
        self.socket = f"{self.folder}/br0.mgmt"
        self.space.start([f"{build}/sluiced", "--bridge", "br0", "--no-local", "--port", "port1", "--port", "port2"],
                         env=self.env, stderr=sys.stderr)
        wait_until(lambda: os.path.exists(f"{self.folder}/sluiced.pid") and os.path.exists(self.socket), "sluiced", 30)
        with open(f"{self.folder}/sluiced.pid", encoding="utf-8") as file:
            self.pid = int(file.read())


class OpenVSwitch(Switch):
    """ovs-vswitchd with its userspace datapath."""

    def __init__(self):
        super().__init__("ovs-vswitchd")
        self.env = {**os.environ, **{name: self.folder for name in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")},
                    "OVS_SYSLOG_METHOD": "null"}
        self.client = ["ovs-ofctl"]
        self.socket = f"{self.folder}/br0.mgmt"
        database = f"{self.folder}/db.sock"
        self.run("ovsdb-tool", "create", f"{self.folder}/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
        self.space.start(["ovsdb-server", f"--remote=punix:{database}", f"{self.folder}/conf.db"], env=self.env)
        wait_until(lambda: os.path.exists(database), "ovsdb-server", 30)
        self.run("ovs-vsctl", f"--db=unix:{database}", "--no-wait", "init")
        self.space.start(["ovs-vswitchd", "--disable-system", f"--pidfile={self.folder}/pid", f"unix:{database}"], env=self.env)
        words = ["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure",
                 "protocols=[OpenFlow10,OpenFlow13,OpenFlow14]", "--", "add-port", "br0", "port1", "--", "add-port", "br0", "port2"]
        self.run("ovs-vsctl", f"--db=unix:{database}", *words)
        wait_until(lambda: os.path.exists(self.socket), "ovs-vswitchd", 30)
        with open(f"{self.folder}/pid", encoding="utf-8") as file:
            self.pid = int(file.read())

    def run(self, *words):
        done = subprocess.run(["ip", "netns", "exec", self.space.name, *words], env=self.env, capture_output=True, text=True,
                              timeout=60, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: {done.stderr}")


def message(kind, body=b"", xid=1):
    return struct.pack("!BBHI", VERSION, kind, 8 + len(body), xid) + body


OUTPUT_1 = struct.pack("!HHI", 4, 24, 0) + struct.pack("!HHIH6x", 0, 16, 1, 0)


def flow_mod(oxm, priority=100, command=0, table=0, instructions=OUTPUT_1):
    match = struct.pack("!HH", 1, 4 + len(oxm)) + oxm
    match += bytes(-len(match) % 8)
    head = struct.pack("!QQBBHHHIIIHH", 0, 0, table, command, 0, 0, priority, 0xffffffff, 0xffffffff, 0xffffffff, 0, 0)
    return message(FLOW_MOD, head + match + instructions)


ETH_TYPE_IP = struct.pack("!IH", 0x80000a02, 0x0800)


def exact(n):
    """The OXM match of exact flow n, and its text: a connection's five fields."""
    protocol, source, destination, sport, dport = 6, 0x0a000000 + (n >> 8), 0x0b000000 + n, 1024 + (n & 0x7fff), 80
    oxm = ETH_TYPE_IP + struct.pack("!IB", 0x80001401, protocol) + struct.pack("!II", 0x80001604, source)
    oxm += struct.pack("!II", 0x80001804, destination) + struct.pack("!IHIH", 0x80001a02, sport, 0x80001c02, dport)
    text = f"tcp,nw_src={socket.inet_ntoa(struct.pack('!I', source))},nw_dst={socket.inet_ntoa(struct.pack('!I', destination))},"
    return oxm, text + f"tp_src={sport},tp_dst={dport}"


def masked(n):
    """The same of flow n of those over 200 masks: prefixes of both addresses."""
    mask = n % MASKS
    source_bits, destination_bits, serial = 13 + mask % 20, 18 + mask // 20, n // MASKS
    source = 0x0c000000 | (serial & 0x1f) << 19 | (mask << 8 if source_bits > 24 else 0)
    destination = 0x0e000000 | (serial >> 5) << 14
    smask, dmask = ((0xffffffff << (32 - bits)) & 0xffffffff for bits in (source_bits, destination_bits))
    source, destination = source & smask, destination & dmask
    oxm = ETH_TYPE_IP + struct.pack("!III", 0x80001708, source, smask) + struct.pack("!III", 0x80001908, destination, dmask)
    dotted = lambda value: socket.inet_ntoa(struct.pack("!I", value))
    return oxm, f"ip,nw_src={dotted(source)}/{source_bits},nw_dst={dotted(destination)}/{destination_bits}"


class Client:
    """A connection to a switch's mgmt socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.buffer = b""
        self.socket.sendall(message(HELLO))

    def send(self, data):
        self.socket.sendall(data)

    def wait(self, kind):
        """Reads until a message of this kind comes."""
        while True:
            while len(self.buffer) >= 8:
                _, this, length, xid = struct.unpack("!BBHI", self.buffer[:8])
                if len(self.buffer) < length:
                    break
                body, self.buffer = self.buffer[8:length], self.buffer[length:]
                if this == ERROR:
                    raise AssertionError(f"the switch answers with error {body[:4].hex()}")
                if this == ECHO_REQUEST:
                    self.send(message(3, body, xid))
                if this == kind:
                    return body
            data = self.socket.recv(65536)
            if not data:
                raise AssertionError("the switch closed the connection")
            self.buffer += data

    def barrier(self):
        self.send(message(BARRIER_REQUEST))
        self.wait(BARRIER_REPLY)

    def close(self):
        self.socket.close()


def plain(mods):
    return b"".join(mods)


def bundled(mods):
    control = lambda kind: message(BUNDLE_CONTROL, struct.pack("!IHH", 1, kind, ATOMIC_ORDERED))
    adds = (message(BUNDLE_ADD, struct.pack("!IHH", 1, 0, ATOMIC_ORDERED) + mod) for mod in mods)
    return control(OPEN) + b"".join(adds) + control(COMMIT)


def number_of_flows(switch):
    done = subprocess.run(["ovs-ofctl", "-O", "OpenFlow14", "dump-aggregate", f"unix:{switch.socket}"], capture_output=True,
                          text=True, timeout=120, check=True)
    return int(done.stdout.split("flow_count=")[1].split()[0])


class Case:
    def __init__(self, name, count, match, in_bundle):
        self.name, self.count, self.match, self.in_bundle = name, count, match, in_bundle

    def bytes(self):
        mods = [flow_mod(self.match(n)[0]) for n in range(self.count)]
        return bundled(mods) if self.in_bundle else plain(mods)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            for n in range(self.count):
                file.write(f"priority=100,{self.match(n)[1]},actions=output:1\n")


def measure(make, cases, rate, commands):
    """The figures of one switch, a row for each case; each starts a fresh one."""
    rows = []
    for case in cases:
        switch = make()
        try:
            setup = f"{switch.folder}/setup.flows"
            with open(setup, "w", encoding="utf-8") as file:
                file.write(FLOWS)
            subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "add-flows", f"unix:{switch.socket}", setup], check=True, timeout=60)
            for host in switch.hosts:
                # ovs-vswitchd's tracker holds checksums for wrong that were left to hardware.
                host.run("ethtool -K eth0 tx off")
            traffic = Traffic(*switch.hosts, switch.folder, rate)
            time.sleep(1)
            data = case.bytes()
            client = Client(switch.socket)
            client.barrier()
            before, flows = switch.resident(), number_of_flows(switch)
            main_before, begin = switch.main_time(), time.monotonic()
            client.send(data)
            if case.in_bundle:
                client.wait(BUNDLE_CONTROL)
                reply = client.wait(BUNDLE_CONTROL)
                assert struct.unpack("!H", reply[4:6])[0] == COMMIT_REPLY
            else:
                client.barrier()
            end = time.monotonic()
            main_time = switch.main_time() - main_before
            del data
            client.close()
            added = number_of_flows(switch) - flows
            time.sleep(1)
            grown = switch.resident() - before
            traffic.stop()
            sent, arrived = traffic.between(begin, end)
            row = {"switch": switch.name, "case": case.name, "flows": added, "seconds": end - begin,
                   "flow_mods_per_s": case.count / (end - begin), "main_us": 1e6 * main_time / case.count,
                   "bytes_per_flow": grown / added, "sent": sent, "lost": sent - arrived,
                   "arrived_percent": 100 * arrived / max(1, sent)}
            if commands:
                row["command_seconds"] = command_seconds(switch, case)
            rows.append(row)
            print(f"  {row['case']:<28} {row['switch']:<13} {row['flow_mods_per_s']:>9.0f} flow-mods/s  {row['main_us']:>5.2f} us of main  {row['bytes_per_flow']:>6.0f} B a flow"
                  f"  {row['arrived_percent']:>6.2f} % of {row['sent']} packets, {row['lost']} lost"
                  + (f"  command {row['command_seconds']:.2f} s" if commands else ""), flush=True)
        finally:
            switch.close()
    return rows


def command_seconds(switch, case):
    """Loads the same from a file, with the switch's own command, into tables that were emptied."""
    path = f"{switch.folder}/case.flows"
    case.write(path)
    target = f"unix:{switch.socket}"
    subprocess.run([*switch.client, "-O", "OpenFlow14", "del-flows", target], env=switch.env, check=True, timeout=300)
    begin = time.monotonic()
    subprocess.run([*switch.client, "-O", "OpenFlow14", *(["--bundle"] if case.in_bundle else []), "add-flows", target, path],
                   env=switch.env, check=True, timeout=900)
    return time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=f"{ROOT}/build/release")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the flows to use")
    parser.add_argument("--rate", type=int, default=10000, help="packets a second of the traffic")
    parser.add_argument("--no-commands", action="store_true", help="without the part that uses add-flows")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("ovs-vswitchd"):
        print("openflow: needs root and ovs-vswitchd; skipped")
        return 0
    of = lambda count: max(1, int(count * arguments.scale))
    cases = [Case("100,000 in a bundle", of(100_000), exact, True), Case("1,000,000 exact", of(1_000_000), exact, False),
             Case("100,000 over 200 masks", of(100_000), masked, False)]
    rows = []
    print("openflow: flow-mods, memory, and traffic meanwhile")
    for make in (lambda: Sluice(arguments.build), OpenVSwitch):
        rows += measure(make, cases, arguments.rate, not arguments.no_commands)
    for ours, theirs in zip(rows[:len(cases)], rows[len(cases):]):
        print(f"  {ours['case']:<28} rate {ours['flow_mods_per_s'] / theirs['flow_mods_per_s']:.2f}x  memory "
              f"{100 * ours['bytes_per_flow'] / theirs['bytes_per_flow']:.0f} %", flush=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
