"""A real os-ken application drives the switch: a stateful firewall that learns its policy from packet-ins."""

import json
import os
import signal

import pytest

from net import wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
NEW, TRK = 1, 32  # bits of ct_state

# Connects, waits for a file, and only then asks.
SLOW_CLIENT = """
import os, socket, sys, time
with socket.create_connection((sys.argv[1], 80), 10) as end:
    open(sys.argv[2] + "/begun", "w").close()
    while not os.path.exists(sys.argv[2] + "/go"):
        time.sleep(0.05)
    end.settimeout(10)
    end.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    sys.exit(0 if b"200" in end.recv(4096) else 1)
"""


class Application:
    """osken-manager with the firewall, in the namespace of the switch."""

    def __init__(self, switch):
        self.switch = switch
        self.path = f"{switch.rundir}/osken.out"
        self.start()

    def start(self):
        with open(self.path, "wb") as out, open(f"{self.switch.rundir}/osken.err", "wb") as err:
            self.process = self.switch.start(
                ["/usr/bin/osken-manager", "--ofp-listen-host", "127.0.0.1", f"{HERE}/osken_firewall.py"], stdout=out, stderr=err,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})

    def said(self, what):
        with open(self.path, encoding="utf-8") as file:
            events = [json.loads(line) for line in file if line.startswith("{")]
        return [e for e in events if e["what"] == what]

    def wait_ready(self):
        """The bundle is committed; a loaded machine takes long to start python."""
        wait_until(lambda: self.said("ready"), "the application has installed its flows", timeout=60)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def firewall(switch):
    inside, outside = switch.host("in", "10.1.1.1/24"), switch.host("out", "10.1.1.2/24")
    for host in (inside, outside):
        host.serve_http(80)
    outside.serve_http(81)
    application = Application(switch)
    switch.boot("", "--no-local", "--controller", "tcp:127.0.0.1", "--protocols", "OpenFlow14")
    application.wait_ready()
    return inside, outside, application


def test_policy_is_learned_from_packets(switch, firewall):
    inside, outside, application = firewall
    assert inside.get(outside.ip()) == f"hello from {outside.name}\n"
    seen = application.said("packet-in")
    assert seen == [{"what": "packet-in", "port": 1, "service": 80, "table": 1, "state": NEW | TRK,
                     "zone": 7}]
    assert any("mark=80" in entry and "zone=7" in entry for entry in switch.conntrack())
    # Learned: the next connection asks nobody.
    assert inside.get(outside.ip()) is not None
    assert len(application.said("packet-in")) == 1
    # A service that moved is found at its real port, and answers as if it had not.
    assert inside.get(outside.ip(), port=8080) == f"hello from {outside.name}\n"
    assert any("mark=144" in entry and "dport=8080" in entry and "sport=80," in entry for entry in switch.conntrack())
    # Not allowed: from inside to another service, and from outside at all. What was learned of them drops the next.
    for host, other, service, in_port in ((inside, outside, 81, 1), (outside, inside, 80, 2)):
        assert host.get(other.ip(), port=service, timeout=1) is None
        wait_until(lambda: [e for e in application.said("packet-in") if (e["port"], e["service"]) == (in_port, service)],
                   "the application was asked")
        learned = f"in_port={in_port},nw_dst={other.ip()},tp_dst={service}"
        wait_until(lambda: learned in switch.sluice("appctl", "bridge/dump-flows", "br0").stdout, "the flow is there")
        asked = len(application.said("packet-in"))
        assert host.get(other.ip(), port=service, timeout=1) is None
        assert len(application.said("packet-in")) == asked
        assert switch.flow_packets(learned) >= 1
    assert application.said("error") == []


def test_what_was_learned_outlives_the_application(switch, firewall):
    inside, outside, application = firewall
    assert inside.get(outside.ip()) is not None
    # A connection that is open when the application dies goes on, and new ones that the policy knows open.
    client = inside.start(["/usr/bin/python3", "-c", SLOW_CLIENT, outside.ip(), switch.rundir])
    wait_until(lambda: os.path.exists(f"{switch.rundir}/begun"), "connected", timeout=20)
    application.kill()
    wait_until(lambda: not json.loads(switch.sluice("appctl", "sluice/controllers", "br0").stdout)[0]["controllers"][0]
               ["is_connected"], "the switch notices")
    open(f"{switch.rundir}/go", "w", encoding="utf-8").close()
    assert client.wait(20) == 0
    assert inside.get(outside.ip()) is not None
    # It comes back, its bundle replaces all flows and groups at once, and it learns anew.
    application.start()
    application.wait_ready()
    assert inside.get(outside.ip()) is not None
    assert [e["service"] for e in application.said("packet-in")] == [80]
    assert application.said("error") == []
