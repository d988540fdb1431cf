#!/usr/bin/env python3
"""The control plane beside the installed ovs-vswitchd (datapath_type=netdev): how long ovs-vsctl takes to add and remove
ports, in one transaction and one by one; and what a dump of many connections costs the packets meanwhile.

usage: bench/control.py [--ports N] [--connections N] [--rate N] [--only ports|dump] [--build FOLDER]
"""

import argparse
import os
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def timed(work):
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def process_seconds(host):
    """Processor time of the switch so far."""
    fields = open(f"/proc/{host.switch.pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ports_of(host, count):
    """Half internal, half of type system, whose devices are made before anything is measured."""
    half = count // 2
    batch = "".join(f"link add v{i} type veth peer name w{i}\n" for i in range(half))
    subprocess.run(["ip", "-n", host.name, "-batch", "-"], input=batch, text=True, check=True)
    return ([(f"i{i}", ["--", "set", "interface", f"i{i}", "type=internal"]) for i in range(half)]
            + [(f"v{i}", []) for i in range(half)])


def measure_ports(host, count):
    host.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev")
    ports = ports_of(host, count)
    results = {}

    def row(name, work):
        before = process_seconds(host)
        results[name] = (timed(work), process_seconds(host) - before)

    def together(command, more):
        words = []
        for name, options in ports:
            words += ["--", command, "br0", name] + (options if more else [])
        host.tool("ovs-vsctl", "--timeout=600", *words, timeout=600)

    def one_by_one(command, more):
        for name, options in ports:
            host.tool("ovs-vsctl", "--timeout=60", command, "br0", name, *(options if more else []))

    row(f"add {count}, one transaction", lambda: together("add-port", True))
    missing = host.vsctl("--columns=name", "find", "interface", "ofport=-1")
    assert not missing, missing
    row(f"remove {count}, one transaction", lambda: together("del-port", False))
    row(f"add {count}, one by one", lambda: one_by_one("add-port", True))
    row(f"remove {count}, one by one", lambda: one_by_one("del-port", False))
    return results


def compare_ports(make_host, count):
    results = {}
    for installed in (True, False):
        with make_host(installed) as host:
            results[installed] = measure_ports(host, count)
    print(f"\n{'ports':<32}{'ovs-vswitchd':>24}{'Sluice':>24}      (elapsed, of it processor time of the switch)")
    for name in results[True]:
        cells = [f"{elapsed:.2f} s ({cpu:.2f})" for elapsed, cpu in (results[True][name], results[False][name])]
        print(f"{name:<32}{cells[0]:>24}{cells[1]:>24}")


def packets_out(host, port):
    """As the kernel's device counts them."""
    return int(host.run(f"cat /sys/class/net/{port}/statistics/tx_packets").stdout)


def rate(host, seconds):
    begin, before = time.monotonic(), packets_out(host, "pb")
    time.sleep(seconds)
    return (packets_out(host, "pb") - before) / (time.monotonic() - begin)


# A fixed number of packets a second, in bursts of a millisecond. It stands for another machine: what it sends must not depend on
# how busy this one is.
SENDER = """
import os, socket, sys, time
rate = int(sys.argv[1])
os.setpriority(os.PRIO_PROCESS, 0, -20)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.1.0.1", 7))
s.connect(("10.1.255.1", 9))
begin, sent = time.monotonic(), 0
while True:
    due = int((time.monotonic() - begin) * rate)
    for _ in range(due - sent):
        try:
            s.send(b"x" * 18)
        except OSError:
            pass
    sent = due
    time.sleep(0.001)
"""

# Raw frames, one for each connection: addresses and ports count up.
FILLER = """
import socket, struct, sys
first, count = int(sys.argv[1]), int(sys.argv[2])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
def checksum(b):
    t = sum(struct.unpack(f"!{len(b)//2}H", b))
    while t >> 16: t = (t & 0xffff) + (t >> 16)
    return ~t & 0xffff
for n in range(first, first + count):
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 32, 0, 0, 64, 17, 0, 0x0a020000 + n // 50000, 0x0a010102)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    s.send(bytes.fromhex("ffffffffffff020000000001" "0800") + ip + struct.pack("!HHHH", 1 + n % 50000, 9, 12, 0) + b"abcd")
"""


def connections_of(host):
    return int(host.appctl("dpctl/ct-get-nconns"))


def measure_dump(host, namespaces, wanted, offered):
    from net import wait_until
    a, b = namespaces
    host.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure")
    host.veth("pa", a, "eth0", "10.1.0.1/16")
    host.veth("pb", b, "eth0", "10.1.255.1/16")
    host.vsctl("add-port br0 pa -- add-port br0 pb")
    host.ofctl("add-flow br0 arp,actions=FLOOD")
    host.ofctl("add-flow br0 ct_state=-trk,ip,actions=ct(table=0,commit)")
    host.ofctl("add-flow br0 in_port=pa,ct_state=+trk,ip,actions=output:pb")
    host.ofctl("add-flow br0 in_port=pb,ct_state=+trk,ip,actions=output:pa")
    subprocess.run(["ip", "netns", "exec", b.name, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0"], check=False)
    b.run("iptables -A INPUT -p udp -j DROP", check=False)
    # Nothing expires while this runs, and pa learns nothing from who is not there.
    script = f"{host.dir}/filler.py"
    with open(script, "w", encoding="ascii") as file:
        file.write(FILLER)
    at = 0
    while connections_of(host) < wanted:
        step = min(50_000, wanted - connections_of(host) + 1000)
        a.run(f"/usr/bin/python3 {script} {at} {step}", timeout=120)
        at += step
        assert at < 3 * wanted, f"only {connections_of(host)} connections stay"
    sender = a.start(["/usr/bin/python3", "-c", SENDER, str(offered)])
    wait_until(lambda: rate(host, 0.5) > 100, "traffic flows")
    time.sleep(2)
    calm = rate(host, 3)
    took, stop = [], threading.Event()

    def dump():
        while not stop.is_set():
            with open(f"{host.dir}/dump", "wb") as out:
                took.append(timed(lambda: subprocess.run(
                    ["ip", "netns", "exec", host.name, "ovs-appctl", "dpctl/dump-conntrack"], env=host.env, stdout=out,
                    check=True)))

    thread = threading.Thread(target=dump)
    thread.start()
    busy = rate(host, 3)
    while not took:
        busy = min(busy, rate(host, 1))
    stop.set()
    thread.join()
    sender.kill()
    sender.wait()
    with open(f"{host.dir}/dump", "rb") as out:
        lines = sum(1 for _ in out)
    return {"connections": connections_of(host), "lines of the dump": lines, "seconds of a dump": min(took),
            "packets/s offered": offered, "packets/s before": calm, "packets/s meanwhile": busy, "meanwhile, % of before": 100 * busy / calm}


def compare_dump(make_host, wanted, offered):
    from net import Namespace
    results = {}
    for installed in (True, False):
        with make_host(installed) as host:
            spaces = [Namespace("a"), Namespace("b")]
            try:
                results[installed] = measure_dump(host, spaces, wanted, offered)
            finally:
                for space in spaces:
                    space.close()
    print(f"\n{'dump-conntrack':<32}{'ovs-vswitchd':>24}{'Sluice':>24}")
    for name in results[True]:
        print(f"{name:<32}{results[True][name]:>24,.1f}{results[False][name]:>24,.1f}")


class MakeHost:
    """A host whose server and switch run while the block does."""

    def __init__(self, installed):
        from database import DatabaseHost
        self.host = DatabaseHost(installed=installed)

    def __enter__(self):
        try:
            self.host.start_server()
            self.host.start_switch()
        except BaseException:
            self.__exit__()
            raise
        return self.host

    def __exit__(self, *_):
        self.host.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ports", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=20_000, help="packets a second while connections are dumped")
    parser.add_argument("--only", choices=["ports", "dump"])
    parser.add_argument("--build", default=f"{ROOT}/build/release")
    arguments = parser.parse_args()
    os.environ["SLUICE_BUILD"] = os.path.abspath(arguments.build)
    sys.path.insert(0, f"{ROOT}/tests/system")
    sys.dont_write_bytecode = True
    if arguments.only != "dump":
        compare_ports(MakeHost, arguments.ports)
    if arguments.only != "ports":
        compare_dump(MakeHost, arguments.connections, arguments.rate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
