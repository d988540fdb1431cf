"""SCTP through source NAT between two hosts that speak it over raw sockets, so that no kernel needs to have it: the
association is followed to its end, and every packet arrives with addresses, ports and CRC32c right. Where the kernel has
SCTP, its sockets talk through the same flows."""

import socket

import pytest

from net import wait_until

CLIENT, SERVER, PUBLIC = "10.1.1.1", "10.1.1.2", "10.1.1.100"

# Both ends. argv: address of the other end (client) or 'serve', own port, port of the other end.
PEER = """
import socket, struct, sys
TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
    TABLE.append(n)
def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return struct.pack('<I', crc ^ 0xffffffff)
def chunk(kind, body=b'', flags=0):
    return struct.pack('!BBH', kind, flags, 4 + len(body)) + body
INIT, INIT_ACK, COOKIE_ECHO, COOKIE_ACK, DATA, SACK, SHUTDOWN, SHUTDOWN_ACK, SHUTDOWN_COMPLETE = 1, 2, 10, 11, 0, 3, 7, 8, 14
NAMES = {1: 'init', 2: 'init_ack', 10: 'cookie_echo', 11: 'cookie_ack', 0: 'data', 3: 'sack', 7: 'shutdown',
         8: 'shutdown_ack', 14: 'shutdown_complete'}
own = int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
s.settimeout(60)
def send(to, port, tag, what):
    header = struct.pack('!HHI', own, port, tag)
    s.sendto(header + crc32c(header + bytes(4) + what) + what, (to, 0))
def receive():
    while True:
        packet, (source, _) = s.recvfrom(2000)
        packet = packet[(packet[0] & 15) * 4:]
        sport, dport, tag = struct.unpack('!HHI', packet[:8])
        if dport != own:
            continue
        assert packet[8:12] == crc32c(packet[:8] + bytes(4) + packet[12:]), 'wrong CRC'
        print(NAMES[packet[12]], source, sport, format(tag, 'x'), flush=True)
        return packet[12], packet[16:], source, sport
def init(kind, tag):
    return chunk(kind, struct.pack('!IIHHI', tag, 60000, 1, 1, 1))
if sys.argv[1] == 'serve':
    print('ready', flush=True)
    tag = 0
    while True:
        kind, body, peer, port = receive()
        if kind == INIT:
            tag = struct.unpack('!I', body[:4])[0]
            send(peer, port, tag, init(INIT_ACK, 0x5e5e) + b'')
        elif kind == COOKIE_ECHO:
            send(peer, port, tag, chunk(COOKIE_ACK))
        elif kind == DATA:
            send(peer, port, tag, chunk(SACK, struct.pack('!IIHH', 1, 60000, 0, 0)))
        elif kind == SHUTDOWN:
            send(peer, port, tag, chunk(SHUTDOWN_ACK))
        elif kind == SHUTDOWN_COMPLETE:
            break
else:
    to, port = sys.argv[1], int(sys.argv[3])
    def ask(what, tag=0x5e5e):
        send(to, port, tag, what)
        return receive()
    assert ask(init(INIT, 0xc1c1), 0)[0] == INIT_ACK
    assert ask(chunk(COOKIE_ECHO, b'cook'))[0] == COOKIE_ACK
    assert ask(chunk(DATA, struct.pack('!IHHI', 1, 0, 0, 0) + b'helloooo', 3))[0] == SACK
    if sys.argv[4] == 'close':
        assert ask(chunk(SHUTDOWN, struct.pack('!I', 1)))[0] == SHUTDOWN_ACK
        send(to, port, 0x5e5e, chunk(SHUTDOWN_COMPLETE))
"""


def network(switch, ports="5000-5009"):
    client, server = switch.host("cl", f"{CLIENT}/24"), switch.host("sv", f"{SERVER}/24")
    mac = client.run("cat /sys/class/net/eth0/address").stdout.strip()
    server.run(f"ip neigh replace {PUBLIC} lladdr {mac} dev eth0")
    switch.boot(f"""
        table=0,priority=100,arp,actions=NORMAL
        table=0,priority=60,icmp,actions=drop
        table=0,priority=50,sctp,in_port=1,actions=ct(commit,nat(src={PUBLIC}:{ports}),table=1)
        table=0,priority=50,sctp,in_port=2,actions=ct(nat,table=1)
        table=1,priority=90,ct_state=-inv+trk,sctp,in_port=1,actions=output:2
        table=1,priority=90,ct_state=+est-inv+trk,sctp,in_port=2,nw_dst={CLIENT},actions=output:1
    """)
    return client, server


def states(switch):
    lines = [line for line in switch.conntrack() if line.startswith("sctp,")]
    return [line.split("protoinfo=(state=")[1].split(")")[0] for line in lines]


@pytest.mark.parametrize("ending", ["stay", "close"])
def test_an_association_through_source_nat(switch, ending):
    client, server = network(switch)
    said = f"{switch.rundir}/server.out"
    with open(said, "wb") as out:
        server.start(["/usr/bin/python3", "-c", PEER, "serve", "9000", "0"], stdout=out)
    wait_until(lambda: "ready" in open(said, encoding="ascii").read(), "the server listens")
    done = client.run(["/usr/bin/python3", "-c", PEER, SERVER, "7000", "9000", ending], timeout=120)
    answers = ["init_ack", "cookie_ack", "sack"] + (["shutdown_ack"] if ending == "close" else [])
    assert done.stdout.splitlines() == [f"{answer} {SERVER} 9000 c1c1" for answer in answers]
    wanted = ["init", "cookie_echo", "data"] + (["shutdown", "shutdown_complete"] if ending == "close" else [])
    wait_until(lambda: len(open(said, encoding="ascii").readlines()) == 1 + len(wanted), "the server has seen all")
    heard = [line.split() for line in open(said, encoding="ascii").read().splitlines()[1:]]
    assert [words[0] for words in heard] == wanted
    port = heard[0][2]
    assert 5000 <= int(port) <= 5009
    assert all(words[1:3] == [PUBLIC, port] for words in heard)
    assert states(switch) == ["CLOSED" if ending == "close" else "ESTABLISHED"]
    line = next(line for line in switch.conntrack() if line.startswith("sctp,"))
    assert f"orig=(src={CLIENT},dst={SERVER},sport=7000,dport=9000)" in line
    assert f"reply=(src={SERVER},dst={PUBLIC},sport=9000,dport={port})" in line


def kernel_has_sctp():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
        return True
    except OSError:
        return False


@pytest.mark.skipif(not kernel_has_sctp(), reason="this kernel has no SCTP")
def test_sockets_of_the_kernel(switch):
    client, server = network(switch)
    server.start(["/usr/bin/python3", "-c", """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
s.bind(('10.1.1.2', 9000))
s.listen(5)
while True:
    c, _ = s.accept()
    c.sendall(c.recv(100) + b' ' + c.getpeername()[0].encode())
    c.close()
"""])
    speak = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
s.settimeout(20)
s.connect(('10.1.1.2', 9000))
s.sendall(b'hello')
print(s.recv(100).decode())
"""
    wait_until(lambda: client.run(["/usr/bin/python3", "-c", speak], check=False, timeout=60).stdout == f"hello {PUBLIC}\n",
               "the server answers", timeout=60)
