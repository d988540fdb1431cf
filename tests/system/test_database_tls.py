"""OpenFlow over TLS as ovs-vsctl sets it up: controllers that the switch connects to, and listeners, beside the installed
ovs-vswitchd."""

import json
import os
import re

import pytest

from certificates import make_certificates
from database import both_hosts
from net import wait_until

# A controller: certificate, key and CA in its arguments, and the file to which it appends a line for each thing that happens.
# Of a switch that it has greeted it asks the features, then adds a flow and waits until it is there.
CONTROLLER = """
import json, socket, ssl, struct, sys

certificate, key, ca, path, flow = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.load_verify_locations(ca)
context.verify_mode = ssl.CERT_REQUIRED
server = socket.create_server(("127.0.0.1", 6653))
HELLO, ECHO_REQUEST, ECHO_REPLY, FEATURES_REQUEST, FEATURES_REPLY, BARRIER_REQUEST, BARRIER_REPLY = 0, 2, 3, 5, 6, 20, 21


def note(**what):
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(what) + "\\n")


def message(kind, body=b"", xid=1):
    return struct.pack("!BBHI", 4, kind, 8 + len(body), xid) + body


def exactly(stream, count):
    data = b""
    while len(data) < count:
        part = stream.recv(count - len(data))
        if not part:
            raise OSError("closed")
        data += part
    return data


while True:
    plain, _ = server.accept()
    plain.settimeout(60)
    try:
        stream = context.wrap_socket(plain, server_side=True)
        subject = dict(pair[0] for pair in stream.getpeercert()["subject"])
        note(connected=subject["commonName"])
        stream.sendall(message(HELLO))
        while True:
            version, kind, length, xid = struct.unpack("!BBHI", exactly(stream, 8))
            body = exactly(stream, length - 8)
            if kind == HELLO:
                stream.sendall(message(FEATURES_REQUEST))
            elif kind == FEATURES_REPLY:
                note(datapath=body[:8].hex())
                stream.sendall(bytes.fromhex(flow) + message(BARRIER_REQUEST))
            elif kind == BARRIER_REPLY:
                note(done=True)
            elif kind == ECHO_REQUEST:
                stream.sendall(message(ECHO_REPLY, body, xid))
    except (OSError, ssl.SSLError) as error:
        note(ended=type(error).__name__)
        plain.close()
"""
# ADD priority=7,in_port=1 actions=drop, of OpenFlow 1.3.
FLOW = ("040e004000000009" + "00" * 16 + "00" + "00" + "00000000" + "0007" + "ffffffff" * 3 + "0000" + "0000"
        + "0001000c" + "80000004" + "00000001" + "00000000")


@pytest.fixture(name="hosts")
def hosts_with_certificates():
    def configure(host):
        make_certificates(host.dir)
        host.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev other_config:datapath-id=00000000000000ff "
                   "fail_mode=secure")
        host.vsctl("set-ssl", *(f"{host.dir}/{name}.pem" for name in ("switch-key", "switch-cert", "ca")))

    yield from both_hosts(configure, options=["--enable-dummy"])


def controller(host, name, ca="ca"):
    """Starts one with the certificate of `name`, that lets in whom `ca` knows; what it notes."""
    path = f"{host.dir}/heard-{name}-{ca}"
    host.controller = host.start(["/usr/bin/python3", "-c", CONTROLLER, f"{host.dir}/{name}-cert.pem",
                                  f"{host.dir}/{name}-key.pem", f"{host.dir}/{ca}.pem", path, FLOW])

    def heard():
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    return heard


def end_controller(host):
    host.controller.kill()
    host.controller.wait()


def column(host, name):
    return host.vsctl(f"--columns={name} --bare list controller")


def status(host):
    return dict(re.findall(r"(\w+)=(\"[^\"]*\"|\w+)", host.vsctl("--columns=status list controller")))


def test_controllers_over_tls(hosts):
    for host in hosts:
        heard = controller(host, "client")
        host.vsctl("set-controller br0 ssl:127.0.0.1:6653 -- set controller br0 max_backoff=1000")
        wait_until(lambda heard=heard: {"done": True} in heard(), "the controller's flow was added", 60)
        said = heard()
        at = said.index({"done": True})
        assert said[at - 2:at + 1] == [{"connected": "switch"}, {"datapath": "00000000000000ff"}, {"done": True}]
        wait_until(lambda host=host: column(host, "is_connected") == "true", "the database says so", 30)
        wait_until(lambda host=host: status(host).get("state") == "ACTIVE", "the status says so", 30)
        assert column(host, "role") == "other" and column(host, "target") == "ssl:127.0.0.1:6653"
    flows = [[line.strip() for line in host.ofctl("-O OpenFlow13 --no-stats dump-flows br0").splitlines()] for host in hosts]
    assert flows[0] == flows[1] and "priority=7,in_port=1 actions=drop" in flows[1]


@pytest.mark.parametrize("name, ca", [("stranger", "ca"), ("client", "other")])
def test_strangers_are_no_controllers(hosts, name, ca):
    """Whom the CA of the switch does not know, and whose CA does not know the switch: nothing is said to either."""
    for host in hosts:
        heard = controller(host, name, ca)
        host.vsctl("set-controller br0 ssl:127.0.0.1:6653 -- set controller br0 max_backoff=1000")
        wait_until(lambda heard=heard: len([e for e in heard() if "ended" in e]) > 1, "it was tried again", 60)
        wait_until(lambda host=host: status(host).get("last_error"), "the status says why", 30)
        assert column(host, "is_connected") == "false"
        assert not [e for e in heard() if "datapath" in e or "done" in e]
        # The right one is found as soon as it is there.
        end_controller(host)
        heard = controller(host, "client")
        wait_until(lambda heard=heard: {"done": True} in heard(), "the right controller is connected to", 60)
        wait_until(lambda host=host: column(host, "is_connected") == "true", "the database says so", 30)
    assert all("priority=7" in host.ofctl("-O OpenFlow13 dump-flows br0") for host in hosts)


def test_listeners_with_tls(hosts):
    def dump(host, name, ca):
        return host.tool("ovs-ofctl", "-O", "OpenFlow13", "-t", "20", "-p", f"{host.dir}/{name}-key.pem", "-c",
                         f"{host.dir}/{name}-cert.pem", "-C", f"{host.dir}/{ca}.pem", "--no-stats", "dump-flows",
                         "ssl:127.0.0.1:6654", check=False)

    for host in hosts:
        host.vsctl("set-controller br0 pssl:6654:127.0.0.1")
        host.ofctl("add-flow br0 priority=3,actions=drop")
        wait_until(lambda host=host: dump(host, "client", "ca").returncode == 0, "it listens", 30)
        assert "priority=3 actions=drop" in dump(host, "client", "ca").stdout
        assert dump(host, "stranger", "ca").returncode != 0
        assert dump(host, "client", "other").returncode != 0
        plain = host.tool("ovs-ofctl", "-O", "OpenFlow13", "-t", "5", "dump-flows", "tcp:127.0.0.1:6654", check=False)
        assert plain.returncode != 0
        assert "priority=3 actions=drop" in dump(host, "client", "ca").stdout
