"""What the tracker tells of itself while real programs talk: events, reasons, the cookie of the rule that committed."""

import json
import subprocess
import threading

from net import BUILD, wait_until

FLOWS = """
    table=0,priority=100,arp,actions=NORMAL
    table=0,priority=50,ip,actions=ct(zone=5,table=1)
    table=1,priority=100,cookie=0x11,ct_state=+trk+new,tcp,in_port=1,actions=ct(commit,zone=5,exec(set_field:1->ct_mark)),output:2
    table=1,priority=100,cookie=0x22,ct_state=+trk+new,icmp,in_port=1,actions=ct(commit,zone=5),output:2
    table=1,priority=100,ct_state=+trk+est,in_port=1,actions=output:2
    table=1,priority=100,ct_state=+trk+est,in_port=2,actions=output:1
"""


def two_hosts(switch):
    return switch.host("in", "10.1.1.1/24"), switch.host("out", "10.1.1.2/24")


class Listener:
    """`sluice ct events --json` and what it has printed."""

    def __init__(self, switch, *words):
        self.path = f"{switch.rundir}/events{len(words)}"
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen([f"{BUILD}/sluice", "ct", "events", "--json", *words], env=switch.env,
                                            stdin=subprocess.DEVNULL, stdout=out)
        wait_until(lambda: self.events() and self.events()[0] == {"event": "listening"}, "events are listened to")

    def events(self):
        with open(self.path, encoding="utf-8") as text:
            return [json.loads(line) for line in text if line.endswith("\n")]

    def close(self):
        self.process.terminate()
        self.process.wait(10)


def test_events_of_a_download_and_a_ping(switch):
    inside, outside = two_hosts(switch)
    switch.boot(FLOWS)
    outside.serve_http(80)
    everything, marked = Listener(switch), Listener(switch, "--mark", "0x1/0x1", "--zone", "5")
    try:
        assert inside.get(outside.ip()) == f"hello from {outside.name}\n"
        assert inside.ping(outside.ip(), count=2) == 2
        wait_until(lambda: any(e.get("state") == "TIME_WAIT" or e.get("state") == "FIN_WAIT_2"
                               for e in everything.events()), "the end of the connection is told")
        switch.sluice("ct", "flush", "--mark", "0x1")
        wait_until(lambda: any(e["event"] == "destroy" for e in marked.events()), "the flush is told")
        tcp = [e for e in everything.events() if e.get("protocol") == "tcp"]
        assert tcp == [e for e in marked.events() if e["event"] != "listening"]
        assert [e["event"] for e in tcp][0] == "new" and [e["event"] for e in tcp][-1] == "destroy"
        assert all(e["event"] == "update" for e in tcp[1:-1])
        assert all(e["zone"] == 5 and e["mark"] == 1 and e["cookie"] == 0x11 for e in tcp)
        assert tcp[0]["state"] == "SYN_SENT" and "ESTABLISHED" in [e["state"] for e in tcp]
        assert tcp[-1]["why"] == "flushed"
        assert tcp[-1]["packets"][0] >= 4 and tcp[-1]["packets"][1] >= 3 and tcp[-1]["bytes"][1] > len("hello")
        assert {e["cookie"] for e in everything.events() if e.get("protocol") == "icmp"} == {0x22}
    finally:
        everything.close()
        marked.close()


def test_flush_by_cookie_cuts_what_the_rule_let_in(switch):
    inside, outside = two_hosts(switch)
    switch.boot(FLOWS)
    outside.serve_http(80)
    assert inside.get(outside.ip()) == f"hello from {outside.name}\n"
    assert inside.ping(outside.ip(), count=1) == 1
    assert {c["cookie"] for c in switch.json("ct", "list")} == {0x11, 0x22}
    assert "0x22" in switch.sluice("ct", "list", "--more", "--cookie", "0x22").stdout
    assert switch.json("ct", "flush", "--cookie", "0x10/0x10") == {"flushed": 1}
    assert {c["cookie"] for c in switch.json("ct", "list")} == {0x22}
    assert switch.sluice("ct", "flush", "--cookie", "0x22").stdout == "1 connection forgotten\n"
    assert switch.json("ct", "list") == []


def test_reasons_name_zone_packet_and_sentence(switch):
    inside, outside = two_hosts(switch)
    switch.boot(FLOWS)
    assert "every packet was fine" in switch.sluice("ct", "reasons").stdout
    switch.sluice("ct", "zone", "5", "loose=off")
    # A segment of a connection that nobody opened.
    bare = ("import socket,struct\n"
            "s=socket.socket(socket.AF_INET,socket.SOCK_RAW,socket.IPPROTO_TCP)\n"
            "h=struct.pack('!HHIIBBHHH',4000,80,77,88,0x50,0x10,1000,0,0)\n"
            "p=socket.inet_aton('10.1.1.1')+socket.inet_aton('10.1.1.2')+struct.pack('!BBH',0,6,20)\n"
            "t=sum(struct.unpack('!16H',p+h))\n"
            "t=(t&0xffff)+(t>>16); t=(t&0xffff)+(t>>16)\n"
            "s.sendto(h[:16]+struct.pack('!H',~t&0xffff)+h[18:],('10.1.1.2',0))\n")
    inside.run(["/usr/bin/python3", "-c", bare])

    def mid_stream():
        return [r for r in switch.json("ct", "reasons", "--zone", "5")["reasons"] if r["reason"] == "mid_stream"]

    wait_until(mid_stream, "the segment is counted")
    row = mid_stream()[0]
    assert row["packets"] == 1 and row["zone"] == 5 and row["text"].endswith(".")
    last = row["last"]
    assert (last["src"], last["sport"], last["dst"], last["dport"]) == ("10.1.1.1", 4000, "10.1.1.2", 80)
    assert (last["tcp_flags"], last["seq"], last["ack"], last["verdict"]) == ("A", 77, 88, "invalid")
    assert "tcp 10.1.1.1:4000 > 10.1.1.2:80 A seq 77 ack 88" in switch.sluice("ct", "reasons", "--recent").stdout
    assert switch.json("ct", "reasons", "--zone", "6")["reasons"] == []


def test_zone_settings_show_and_hold(switch):
    inside, outside = two_hosts(switch)
    switch.boot(FLOWS)
    switch.sluice("ct", "zone", "5", "icmp_first=1234", "icmp_reply=4321", "liberal=on")
    assert inside.ping(outside.ip(), count=1) == 1
    zone = [z for z in switch.json("ct", "zones") if z["zone"] == 5][0]
    assert zone["connections"] == 1 and zone["liberal"] and zone["loose"] and zone["seq-check"] == "default"
    assert zone["timeouts"]["icmp_reply"] == 4321 and zone["timeouts"]["tcp_established"] == 86400
    assert switch.json("ct", "list")[0]["expires_s"] > 4000
    switch.sluice("ct", "zone", "5", "default")
    assert switch.json("ct", "list")[0]["expires_s"] <= 30
    done = switch.sluice("ct", "zone", "5", "loose=maybe", check=False)
    assert done.returncode == 1 and done.stderr == 'sluice: "loose=maybe": expected on or off\n'


SPRAY = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 5000))
for port in range(1, 40001):
    try:
        s.sendto(b'x', (sys.argv[2], port))
    except OSError:  # port unreachable
        pass
    if port % 100 == 0:
        time.sleep(0.002)
"""


def test_a_listener_that_does_not_read_misses_events_and_is_told_how_many(switch):
    inside, outside = two_hosts(switch)
    switch.boot(FLOWS + "\ntable=1,priority=100,ct_state=+trk+new,udp,in_port=1,actions=ct(commit,zone=5),output:2\n")
    switch.sluice("ct", "zone", "5", "udp_first=1000")
    stuck = subprocess.Popen([f"{BUILD}/sluice", "ct", "events", "--json", "--zone", "5"], env=switch.env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    limit = threading.Timer(120, stuck.kill)
    limit.start()
    try:
        assert json.loads(stuck.stdout.readline()) == {"event": "listening"}
        made = 0
        for _ in range(10):  # a machine with other work may drop most of them before the switch
            if made > 20000:
                break
            inside.run(["/usr/bin/python3", "-c", SPRAY, inside.ip(), outside.ip()], timeout=60)
            made = switch.json("stats")["conntrack"]["created"]
        assert made > 20000
        # A packet passes at once, whoever does not read.
        assert inside.ping(outside.ip(), count=1) == 1
        told = lost = 0
        while told + lost < made:
            event = json.loads(stuck.stdout.readline())
            if event.get("protocol") == "icmp":
                continue
            told += event["event"] == "new"
            lost += event["count"] if event["event"] == "lost" else 0
        assert lost > 0 and told > 0
    finally:
        limit.cancel()
        stuck.terminate()
        stuck.wait(10)
