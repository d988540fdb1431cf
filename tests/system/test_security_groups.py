"""examples/security_groups.py: 50 ports with security groups, set up by ovs-vsctl and ovs-ofctl bundles alone."""

import json
import subprocess

import pytest

from database import DatabaseHost
from net import ROOT, Namespace, wait_until

PORTS = 50
GROUPS = {
    "web": [{"direction": "egress"}, {"direction": "ingress", "protocol": "tcp", "ports": [80, 443]}],
    "db": [{"direction": "ingress", "protocol": "tcp", "ports": [5432, 5433], "remote_group": "web"},
           {"direction": "ingress", "protocol": "icmp", "remote_group": "db"},
           {"direction": "egress", "protocol": "icmp"}],
    "client": [{"direction": "egress"}],
}
# Ports that are tried out: a namespace each. The others are internal ports.
ROLES = {1: "web", 2: "db", 3: "db", 4: "client", 5: "web", 6: "client"}
SERVICES = (22, 80, 5432)

SERVER = """
import selectors, socket
ready = selectors.DefaultSelector()
for port in (22, 80, 5432):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    ready.register(s, selectors.EVENT_READ)
while True:
    for key, _ in ready.select():
        c, _ = key.fileobj.accept()
        c.sendall(b"hello")
        c.close()
"""
CLIENT = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3]))
sys.exit(0 if s.recv(5) == b"hello" else 1)
"""
# Tries all "ADDRESS PORT" of its arguments at once; prints those that said hello before nothing came for a while.
MANY = """
import selectors, socket, sys
ready = selectors.DefaultSelector()
for target in sys.argv[1:]:
    address, port = target.split()
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.setblocking(False)
    s.connect_ex((address, int(port)))
    ready.register(s, selectors.EVENT_READ, target)
while ready.get_map():
    events = ready.select(2)
    if not events:
        break
    for key, _ in events:
        ready.unregister(key.fileobj)
        try:
            if key.fileobj.recv(5) == b"hello":
                print(key.data)
        except OSError:
            pass
"""


def mac(n):
    return f"02:00:00:00:00:{n:02x}"


class Cloud:
    def __init__(self):
        self.host = DatabaseHost()
        self.vms = {}
        self.host.start_server()
        self.host.start_switch()
        for n, role in ROLES.items():
            self.vms[n] = Namespace(role)
            self.host.veth(f"vm{n}", self.vms[n], "eth0", f"10.0.0.{n}/24")
            self.vms[n].run(f"ip link set eth0 address {mac(n)}")
            self.vms[n].run("sysctl -qw net.ipv6.conf.eth0.addr_gen_mode=1")  # no address but the one that is known
            self.vms[n].run("ip -6 addr flush dev eth0")
            self.vms[n].run(f"ip addr add fd00::{n}/64 dev eth0 nodad")
        words = ["add-br", "br-int", "--", "set", "bridge", "br-int", "fail_mode=secure"]
        for n in range(1, PORTS + 1):
            words += ["--", "add-port", "br-int", f"vm{n}", "--", "set", "interface", f"vm{n}", f"ofport_request={n}"]
            words += [] if n in ROLES else ["type=internal"]
        self.host.vsctl(*words)
        others = ["web", "db", "client"]
        self.ports = {f"vm{n}": {"ofport": n, "mac": mac(n), "ip": f"10.0.0.{n}", "ip6": f"fd00::{n:x}", "groups": [ROLES.get(n, others[n % 3])]}
                      for n in range(1, PORTS + 1)}
        self.apply()
        for vm in self.vms.values():
            vm.start(["/usr/bin/python3", "-c", SERVER])
            wait_until(lambda vm=vm: ":5432" in vm.run("ss -tln").stdout, "the servers listen")

    def apply(self):
        with open(f"{self.host.dir}/groups.json", "w", encoding="utf-8") as file:
            json.dump({"ports": self.ports, "groups": GROUPS}, file)
        made = subprocess.run(["/usr/bin/python3", f"{ROOT}/examples/security_groups.py", f"{self.host.dir}/groups.json"],
                              capture_output=True, text=True, check=True)
        with open(f"{self.host.dir}/flows", "w", encoding="ascii") as file:
            file.write(made.stdout)
        self.host.ofctl(f"--bundle replace-flows br-int {self.host.dir}/flows")

    def reaches(self, source, target, port, patience=5.0):
        """Whether a connection comes about; one that is to be refused is waited for no longer than `patience`."""
        return self.vms[source].run(["/usr/bin/python3", "-c", CLIENT, f"10.0.0.{target}", str(port), str(patience)],
                                    check=False).returncode == 0

    def refuses(self, source, target, port):
        return not self.reaches(source, target, port, 0.7)

    def pings(self, source, target, *more):
        return self.vms[source].run(["ping", "-n", "-q", "-c", "1", "-W", "1", *more, f"10.0.0.{target}"],
                                    check=False).returncode == 0

    def reached_by_all(self):
        """(source, target, version, service) of all connections that come about."""
        tried = {n: {f"{address} {port}": (n, m, version, port) for m in self.vms if m != n for port in SERVICES
                     for version, address in ((4, f"10.0.0.{m}"), (6, f"fd00::{m:x}"))} for n in self.vms}
        running = [(n, self.vms[n].start(["/usr/bin/python3", "-c", MANY, *tried[n]], stdout=subprocess.PIPE, text=True))
                   for n in self.vms]
        return {tried[n][line] for n, process in running for line in process.communicate(timeout=60)[0].splitlines()}

    def packets(self, match):
        total = 0
        for line in self.host.ofctl("dump-flows", "br-int", match).splitlines():
            if "n_packets=" in line:
                total += int(line.split("n_packets=")[1].split(",")[0])
        return total

    def close(self):
        for part in (*self.vms.values(), self.host):
            part.close()


@pytest.fixture(name="cloud", scope="module")
def one_cloud():
    cloud = Cloud()
    yield cloud
    cloud.close()


WEB, DB, DB2, OTHER = 1, 2, 3, 4


def test_flows_are_few(cloud):
    # 17 web servers times 2 services for each of 17 databases would be 578 flows for that rule alone.
    flows = cloud.host.ofctl("--no-stats dump-flows br-int table=82").splitlines()
    webs = sum("web" in port["groups"] for port in cloud.ports.values())
    of_one = [line for line in flows if "conjunction(" in line and "reg5=0x2," in line and ",tcp," in line]
    members = [line for line in flows if "conjunction(" in line and "reg5=0x2," in line and "nw_src=" in line]
    dbs = sum("db" in port["groups"] for port in cloud.ports.values())
    assert (len(of_one), len(members)) == (2, webs + dbs)


def test_rules_with_addresses_and_ports(cloud):
    assert cloud.reaches(OTHER, WEB, 80)
    assert cloud.refuses(OTHER, WEB, 22)


def test_every_connection_of_both_versions_is_allowed_or_refused(cloud):
    def allowed(source, target, service):
        to_web = ROLES[target] == "web" and service == 80
        to_db = ROLES[target] == "db" and service == 5432 and ROLES[source] == "web"
        return ROLES[source] != "db" and (to_web or to_db)

    wanted = {(n, m, version, service) for n in ROLES for m in ROLES if n != m for version in (4, 6) for service in SERVICES
              if allowed(n, m, service)}
    assert len(wanted) == 20
    assert cloud.reached_by_all() == wanted


def test_remote_groups(cloud):
    assert cloud.reaches(WEB, DB, 5432)
    assert cloud.refuses(OTHER, DB, 5432), "not in group web"
    assert cloud.refuses(WEB, DB, 80), "not a service of group db"
    assert cloud.pings(DB, DB2)
    assert not cloud.pings(WEB, DB)
    ping6 = ["ping", "-6", "-n", "-q", "-c", "1", "-W", "1"]
    assert cloud.vms[DB].run([*ping6, f"fd00::{DB2}"], check=False).returncode == 0
    assert cloud.vms[WEB].run([*ping6, f"fd00::{DB}"], check=False).returncode != 0
    assert cloud.refuses(DB, WEB, 80), "group db may send ICMP alone"


def test_each_side_has_its_zone(cloud):
    cloud.host.appctl("dpctl/flush-conntrack")
    assert cloud.reaches(OTHER, WEB, 80)
    for zone in (OTHER, WEB):
        assert "src=10.0.0.4,dst=10.0.0.1" in cloud.host.appctl(f"dpctl/dump-conntrack zone={zone}")
    assert cloud.host.appctl(f"dpctl/dump-conntrack zone={DB}") == ""


def test_nobody_lies_about_addresses(cloud):
    dropped = cloud.packets("table=93")
    cloud.vms[OTHER].run("ip addr add 10.0.0.77/24 dev eth0")
    assert not cloud.pings(OTHER, WEB, "-I", "10.0.0.77")
    cloud.vms[OTHER].run("ip addr del 10.0.0.77/24 dev eth0")
    wait_until(lambda: cloud.packets("table=93") > dropped, "the forged packets are in table 93")
    cloud.vms[OTHER].run("ip link set eth0 address 02:00:00:00:00:99")
    assert cloud.refuses(OTHER, WEB, 80)
    cloud.vms[OTHER].run(f"ip link set eth0 address {mac(OTHER)}")
    assert cloud.reaches(OTHER, WEB, 80)


def test_arp_is_answered_by_flows(cloud):
    answered, flooded = cloud.packets("table=21,arp"), cloud.packets("table=94,arp")
    cloud.vms[WEB].run("ip neigh flush all")
    cloud.reaches(WEB, DB, 5432)
    assert mac(DB) in cloud.vms[WEB].run("ip neigh").stdout
    wait_until(lambda: cloud.packets("table=21,arp") > answered, "a flow has answered")
    assert cloud.packets("table=94,arp") == flooded


def test_a_change_of_membership(cloud):
    assert cloud.reaches(WEB, DB, 5432)
    cloud.ports["vm1"]["groups"] = ["client"]
    cloud.apply()
    assert cloud.refuses(WEB, DB, 5432)
    cloud.ports["vm1"]["groups"] = ["web"]
    cloud.apply()
    assert cloud.reaches(WEB, DB, 5432)
