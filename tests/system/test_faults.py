"""What goes wrong on a host: a switch that is killed, a full disk, rows of nonsense, ports without end."""

import os
import signal
import subprocess

import pytest

from database import DatabaseHost
from net import Namespace, wait_until


@pytest.fixture(name="make")
def make_hosts():
    made = []

    def make(**kwargs):
        host = DatabaseHost(**kwargs)
        host.start_server()
        host.start_switch()
        made.append(host)
        return host

    yield make
    for host in made:
        host.close()


@pytest.fixture(name="clients")
def two_namespaces():
    spaces = [Namespace("a"), Namespace("b")]
    yield spaces
    for space in spaces:
        space.close()


def join(host, clients):
    """Both clients on bridge br0."""
    host.vsctl("add-br br0")
    for n, client in enumerate(clients, 1):
        host.veth(f"p{n}", client, "eth0", f"10.1.1.{n}/24")
    host.vsctl("add-port br0 p1 -- add-port br0 p2")


def reaches(clients):
    return clients[0].run("ping -n -q -c 1 -W 1 10.1.1.2", check=False).returncode == 0


def test_a_killed_switch_comes_back_and_forwards(make, clients):
    host = make(options=["--monitor"])
    join(host, clients)
    assert reaches(clients)
    pid_file = f"{host.dir}/ovs-vswitchd.pid"
    killed = int(open(pid_file, encoding="ascii").read())
    assert killed != host.switch.pid, "the monitor is another process"
    numbers = [host.get("Interface", f"p{n}", "ofport") for n in (1, 2)]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: os.path.exists(pid_file) and open(pid_file, encoding="ascii").read().strip() not in ("", str(killed)),
               "it is started again", 30)
    wait_until(lambda: reaches(clients), "packets flow again", 30)
    assert [host.get("Interface", f"p{n}", "ofport") for n in (1, 2)] == numbers
    host.vsctl("add-port br0 in0 -- set interface in0 type=internal")
    assert host.get("Interface", "in0", "ofport") != "-1", "the database is followed again"
    assert "died, killed" in host.log_text()
    host.appctl("exit")
    assert host.switch.wait(20) == 0, "who monitors ends with it"


def test_a_full_disk_costs_the_log_alone(make, clients):
    host = make(options=["--log-file=/dev/full", "-vfile:dbg"])
    join(host, clients)
    assert reaches(clients)
    host.appctl("vlog/set file:dbg")
    host.ofctl("add-flow br0 priority=5,tcp,actions=drop")
    assert "tcp" in host.ofctl("dump-flows br0")
    assert reaches(clients)
    host.vsctl("del-port br0 p2")
    assert not reaches(clients)


def test_nonsense_in_rows_harms_nobody_else(make, clients):
    host = make()
    join(host, clients)
    rows = {
        "t1": ["type=no-such-type"],
        "t2": ["type=patch"],
        "t3": ["type=vxlan", "options:remote_ip=nowhere"],
        "a/b": ["type=internal"],
        "a_name_that_is_too_long": ["type=internal"],
        "t4": ["type=dpdk", "options:dpdk-devargs=0000:00:00.0"],
        "t5": ["type=internal", "mac=\"zz:zz\"", "other_config:x=\"\\n\"", "options:up=maybe", "options:key=\"=\"",
               "lldp:enable=perhaps", "bfd:min_rx=never"],
        "t6": ["type=internal", "mtu_request=68", "ofport_request=65279", "external_ids:iface-id=\"'\""],
        "t7": ["type=internal", "ingress_policing_rate=4000000000", "ingress_policing_burst=0"],
    }
    for name, columns in rows.items():
        host.vsctl("add-port", "br0", name, "--", "set", "interface", name, *columns, check=False)
    host.vsctl("set", "bridge", "br0", "other_config:hwaddr=nonsense", "other_config:datapath-id=xyz",
               "other_config:mac-aging-time=-3", "other_config:mac-table-size=many", "external_ids:x=y")
    host.vsctl("set", "port", "p1", "other_config:priority-tags=sometimes", "bond_mode=balance-slb",
               "other_config:lacp-time=soon")
    host.vsctl("set", "Open_vSwitch", ".", "other_config:stats-update-interval=soon", "other_config:n-handler-threads=-1",
               "other_config:hw-offload=maybe")
    host.vsctl("--", "--id=@c", "create", "controller", "target=\"nonsense:1\"", "--", "set", "bridge", "br0", "controller=@c")
    host.vsctl("--", "--id=@t", "create", "flow_table", "flow_limit=0", "name=\"\"", "--", "set", "bridge", "br0",
               "flow_tables:254=@t")
    host.vsctl("add-br br0x -- set bridge br0x datapath_type=nonsense")
    for name in ("t1", "t2", "t3", "a/b", "a_name_that_is_too_long", "t4"):
        assert host.get("Interface", name, "ofport") == "-1"
        assert name in host.get("Interface", name, "error"), "the error names what it is about"
    for name in ("t5", "t6"):
        assert host.get("Interface", name, "error") == "[]"
    assert host.get("Interface", "t6", "ofport") == "65279"
    assert reaches(clients)
    host.vsctl("del-controller br0")
    host.vsctl("del-br br0x")
    for name in rows:
        host.vsctl("--if-exists", "del-port", "br0", name)
    assert reaches(clients)
    log = host.log_text()
    assert "datapath-id=xyz" in log and "nonsense:1" in log


def usage_of(process):
    """Descriptors, and kilobytes of memory of its own."""
    status = open(f"/proc/{process.pid}/status", encoding="ascii").read()
    return len(os.listdir(f"/proc/{process.pid}/fd")), int(status.split("RssAnon:")[1].split()[0])


@pytest.mark.parametrize("kind", ["dummy", "device"])
def test_ports_without_end_cost_nothing_in_the_end(make, kind):
    """Dummies; TAP devices and veths."""
    count, rounds = 1000, 2
    host = make(options=["--enable-dummy"])
    host.vsctl(f"add-br br0 -- set bridge br0 datapath_type={'dummy' if kind == 'dummy' else 'netdev'}")
    types = {f"d{n}": "dummy" for n in range(count)}
    if kind == "device":
        types = {f"{'i' if n % 2 else 'v'}{n}": "internal" if n % 2 else "system" for n in range(count)}
        batch = "".join(f"link add {name} type veth peer name p{name}\n" for name, of in types.items() if of == "system")
        subprocess.run(["ip", "-n", host.name, "-batch", "-"], input=batch, text=True, check=True)
    adding = [word for name, of in types.items()
              for word in ("--", "add-port", "br0", name, "--", "set", "interface", name, f"type={of}")]
    removing = [word for name in types for word in ("--", "del-port", "br0", name)]

    def one_round():
        host.tool("ovs-vsctl", "--timeout=110", *adding, timeout=120)
        assert not host.vsctl("--columns=name", "find", "interface", "ofport=-1")
        assert len(host.ofctl("dump-ports br0").splitlines()) > 2 * len(types)
        host.tool("ovs-vsctl", "--timeout=110", *removing, timeout=120)
        assert host.vsctl("list-ports br0") == ""
        return usage_of(host.switch)

    one_round()
    wait_until(lambda: usage_of(host.switch)[0] < 100, "the descriptors of ports are closed")
    descriptors = usage_of(host.switch)[0]
    # Tables and the allocator grow now and then, by megabytes at once, and then no more. A leak of a kilobyte a port would be
    # twice as much in any `rounds` rounds.
    little = count * rounds // 2
    resident = [one_round()[1]]
    while len(resident) <= rounds or max(resident[-rounds:]) - resident[-rounds - 1] >= little:
        assert len(resident) < rounds + 20, f"memory grows from round to round: {resident} kB"
        resident.append(one_round()[1])
    wait_until(lambda: usage_of(host.switch)[0] <= descriptors, "no descriptor is left behind")
