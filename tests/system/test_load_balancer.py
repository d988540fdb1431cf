"""A load balancer: a select group whose buckets translate the destination of a new connection to one of several real web
servers. Connections stay with the server that they got, whatever becomes of the group."""

import json
import os
import re
from collections import Counter

from net import wait_until

VIP, VIP_MAC = "10.1.1.100", "02:00:00:00:01:64"
CONNECTIONS = 60

# HTTP/1.1 with connections that stay open; every path is answered with argv[2].
SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', str(len(sys.argv[2])))
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
    def log_message(self, *_):
        pass
class Server(ThreadingHTTPServer):
    request_queue_size = 200
Server((sys.argv[1], 80), Handler).serve_forever()
"""

# Opens argv[2] connections to argv[1] and asks each for a page, as often as files argv[3] + '.0', '.1' … appear. Answers, in
# the order of connections, go to argv[3] + '.answers.0' …; null where none came.
CLIENT = """
import http.client, json, os, sys, time
connections = [http.client.HTTPConnection(sys.argv[1], 80, timeout=20) for _ in range(int(sys.argv[2]))]
for turn in range(10):
    while not os.path.exists(f'{sys.argv[3]}.{turn}'):
        time.sleep(0.02)
    answers = []
    for connection in connections:
        try:
            connection.request('GET', '/')
            answers.append(connection.getresponse().read().decode())
        except OSError:
            answers.append(None)
    with open(f'{sys.argv[3]}.tmp', 'w') as out:
        json.dump(answers, out)
    os.rename(f'{sys.argv[3]}.tmp', f'{sys.argv[3]}.answers.{turn}')
"""


class Browser:
    """CLIENT in a host."""

    def __init__(self, host, folder, label, connections=CONNECTIONS):
        self.path = f"{folder}/{label}"
        self.turn = 0
        host.start(["/usr/bin/python3", "-c", CLIENT, VIP, str(connections), self.path])

    def ask(self):
        """What each connection is answered now."""
        with open(f"{self.path}.{self.turn}", "w", encoding="ascii"):
            pass
        answers = f"{self.path}.answers.{self.turn}"
        wait_until(lambda: os.path.exists(answers), "all connections were asked", timeout=120)
        self.turn += 1
        with open(answers, encoding="utf-8") as file:
            return json.load(file)


def bucket(number):
    return f"bucket=bucket_id={number},weight=100,actions=ct(commit,nat(dst=10.1.1.{10 + number}:80),table=2)"


def balancer(switch, servers=3):
    client = switch.host("cl", "10.1.1.1/24")
    hosts = [switch.host(f"s{n}", f"10.1.1.{10 + n}/24", mac=f"02:00:00:00:01:{10 + n:02x}") for n in range(1, servers + 1)]
    client.run(f"ip neigh replace {VIP} lladdr {VIP_MAC} dev eth0")
    out = "".join(f"table=2,priority=10,ip,nw_dst=10.1.1.{10 + n},actions=set_field:02:00:00:00:01:{10 + n:02x}->eth_dst,"
                  f"output:{n + 1}\n" for n in range(1, servers + 1))
    switch.boot(f"""
        table=0,priority=100,arp,actions=NORMAL
        table=0,priority=50,tcp,actions=ct(nat,table=1)
        table=1,priority=80,ct_state=+trk+est,tcp,in_port=1,actions=resubmit(,2)
        table=1,priority=90,ct_state=+trk+est+rpl,tcp,actions=output:1
        {out}""")
    buckets = ",".join(bucket(n) for n in range(1, servers + 1))
    switch.sluice("group", "add", "br0", f"group_id=1,type=select,{buckets}")
    switch.sluice("flow", "add", "br0",
                  f"table=1,priority=50,ct_state=+trk+new,tcp,in_port=1,nw_dst={VIP},tp_dst=80,actions=group:1")
    for n, host in enumerate(hosts, 1):
        host.start(["/usr/bin/python3", "-c", SERVER, f"10.1.1.{10 + n}", f"server {n}"])
        wait_until(lambda h=host: ":80 " in h.run("ss -Hlnt").stdout, "the server listens")
    return client, hosts


def tracked(switch):
    """Live connections by server, as the table tells."""
    lines = [line for line in switch.conntrack() if f"dst={VIP}," in line and "state=ESTABLISHED" in line]
    return Counter("server " + line.split("reply=(src=10.1.1.1")[1].split(",")[0] for line in lines)


def test_connections_are_spread_and_stay(switch):
    client, _ = balancer(switch)
    browser = Browser(client, switch.rundir, "a")
    first = browser.ask()
    assert None not in first
    spread = Counter(first)
    assert set(spread) == {"server 1", "server 2", "server 3"}
    # Each connection is one packet of the group and one entry of the table, of the server that answers.
    assert tracked(switch) == spread
    assert switch.flow_packets("actions=group:1") == CONNECTIONS
    for _ in range(2):
        assert browser.ask() == first
    assert switch.flow_packets("actions=group:1") == CONNECTIONS
    reply = [line for line in switch.conntrack() if f"dst={VIP}," in line]
    assert all("dport=80)" in line.split("),")[0] + ")" and ",sport=80,dport=" in line.split("reply=")[1] for line in reply)


def test_a_server_is_taken_away_and_comes_back(switch):
    client, _ = balancer(switch)
    old = Browser(client, switch.rundir, "old")
    first = old.ask()
    assert set(first) == {"server 1", "server 2", "server 3"}

    switch.sluice("group", "remove-buckets", "br0", "group_id=1,command_bucket_id=2")
    new = Browser(client, switch.rundir, "new")
    second = new.ask()
    assert set(second) == {"server 1", "server 3"}
    assert old.ask() == first, "who is connected stays, also to the server that gets nobody new"
    assert tracked(switch) == Counter(first) + Counter(second)

    # Draining is over: its connections are cut, and only its own.
    switch.sluice("appctl", "dpctl/flush-conntrack", "ct_nw_src=10.1.1.1,ct_nw_proto=6", "ct_nw_src=10.1.1.12,ct_nw_proto=6")
    assert tracked(switch) == Counter(a for a in first if a != "server 2") + Counter(second)
    assert new.ask() == second

    switch.sluice("group", "insert-buckets", "br0", f"group_id=1,command_bucket_id=last,{bucket(2)}")
    assert set(Browser(client, switch.rundir, "later").ask()) == {"server 1", "server 2", "server 3"}


def test_group_counts(switch):
    client, _ = balancer(switch)
    spread = Counter(Browser(client, switch.rundir, "a").ask())
    stats = switch.sluice("group", "stats", "br0", "1").stdout
    assert f"packet_count={CONNECTIONS},byte_count=" in stats
    assert [int(n) for n in re.findall(r"bucket\d+:packet_count=(\d+),", stats)] == [
        spread[f"server {n}"] for n in (1, 2, 3)]
