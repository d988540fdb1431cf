"""Every column that a switch reads, and every key that ovs-vswitchd.conf.db(5) documents, set to values that the schema
permits and nobody means. The switch lives, the ports beside go on, and where ovs-vswitchd writes an error, so does Sluice."""

import codecs
import collections
import gzip
import itertools
import json
import os
import re
import socket

import pytest

from database import SCHEMA, DatabaseHost
from net import Namespace

MANUAL = "/usr/share/man/man5/ovs-vswitchd.conf.db.5.gz"
TEXTS = ["", "-1", "0", "18446744073709551616", "nonsense", "true", "1,2,,x=:/%n", "\u00e4\x01 \"'\\" * 50]
TABLES = json.load(open(SCHEMA, encoding="utf-8"))["tables"]
# ovsdb-server's; what the test itself waits by; what would make files.
NOT_READ = {("Open_vSwitch", "next_cfg"), ("Open_vSwitch", "cur_cfg"), ("Open_vSwitch", "manager_options")}
# Nonsense here keeps the row's other columns from being looked at: they have their turn with and without.
DECISIVE = {("Interface", "type"), ("QoS", "type"), ("Controller", "target"), ("Bridge", "datapath_type")}
FILES = ("pcap", "private_key", "certificate", "ca_cert")
UNTOUCHED = {"br0", "p1", "p2"}


def documented():
    """(table, column): keys, of the manual page."""
    keys, table = collections.defaultdict(list), None
    with gzip.open(MANUAL, "rt", encoding="utf-8") as page:
        for line in page:
            if section := re.match(r'\.SH "(\w+) TABLE"', line):
                table = section[1]
            elif key := re.match(r"\\fB(\w+) : ([\w-]+)\\fR", line.replace("\\-", "-")):
                if key[2] not in keys[table, key[1]]:
                    keys[table, key[1]].append(key[2])
    return keys


def atoms(base, kind, name=""):
    """What a value of the base type can be at worst; `kind` chooses which comes first."""
    base = {"type": base} if isinstance(base, str) else base
    values = {"string": TEXTS, "boolean": [True, False], "real": [0.0]}.get(base["type"], [])
    if "enum" in base:
        values = base["enum"][1]
    elif base["type"] == "integer":
        low, high = base.get("minInteger", -(2 ** 63)), base.get("maxInteger", 2 ** 63 - 1)
        values = [low, high] + [n for n in (0, -1, 1, low + 1, high - 1, 2 ** 31, 2 ** 32) if low <= n <= high]
    if base["type"] == "string" and any(word in name for word in FILES):
        values = [f"/nonexistent/{text}" for text in TEXTS]
    values = list(dict.fromkeys(values))
    return values[kind % len(values):] + values[:kind % len(values)]


def nonsense(table, column, kind, keys):
    """A value for the column; nothing if it refers to rows or is not to be set."""
    spec = TABLES[table]["columns"][column]
    of = {"key": spec["type"]} if isinstance(spec["type"], str) else spec["type"]
    bases = [of["key"], of.get("value", "string")]
    if any(base == "uuid" or isinstance(base, dict) and base["type"] == "uuid" for base in bases):
        return None
    if spec.get("ephemeral") or spec.get("mutable") is False or (table, column) in NOT_READ or column == "_version":
        return None
    if "value" in of:
        chosen = keys.get((table, column)) or atoms(of["key"], kind)[:3]
        if isinstance(of["key"], dict) and "enum" in of["key"]:
            chosen = of["key"]["enum"][1]
        return ["map", [[key, atoms(of["value"], kind, str(key))[0]] for key in chosen]]
    if of.get("max", 1) == 1:
        return atoms(of["key"], kind, column)[0]
    return ["set", sorted(set(atoms(of["key"], kind)[:max(2, of.get("min", 0))]))]


class Client:
    """ovsdb-server, spoken to directly: each change is waited for until the switch has taken it in."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.waiting, self.serial = "", itertools.count(1)
        self.decoder = codecs.getincrementaldecoder("utf-8")()

    def transact(self, *operations):
        self.socket.sendall(json.dumps({"method": "transact", "params": ["Open_vSwitch", *operations],
                                        "id": next(self.serial)}).encode())
        while True:
            try:
                answer, end = json.JSONDecoder().raw_decode(self.waiting)
                self.waiting = self.waiting[end:]
                break
            except json.JSONDecodeError:
                more = self.socket.recv(1 << 20)
                assert more, "ovsdb-server lives"
                self.waiting += self.decoder.decode(more)
        assert not answer["error"] and not [r for r in answer["result"] if r and "error" in r], (operations, answer)
        return answer["result"]

    def change(self, operations):
        root = {"table": "Open_vSwitch", "where": []}
        taken = self.transact(*operations, {"op": "mutate", **root, "mutations": [["next_cfg", "+=", 1]]},
                              {"op": "select", **root, "columns": ["next_cfg"]})[-1]["rows"][0]["next_cfg"]
        self.transact({"op": "wait", "timeout": 30000, **root, "columns": ["cur_cfg"], "until": "==",
                       "rows": [{"cur_cfg": taken}]})

    def rows(self, table, *columns):
        more = {"columns": list(columns)} if columns else {}
        return [row for row in self.transact({"op": "select", "table": table, "where": [], **more})[0]["rows"]
                if row.get("name") not in UNTOUCHED]

    def errors(self):
        return {row["name"]: row["error"] for row in self.rows("Interface", "name", "error") if row["error"] != ["set", []]}


# A row or more of every table, beside bridge br0 with its ports p1 and p2.
ROWS = """
add-br bx -- set bridge bx fail_mode=secure datapath_type=netdev other_config:hwaddr=02:00:00:00:00:77
-- add-port bx dm -- set interface dm type=dummy -- add-port bx dp -- set interface dp type=dummy-pmd
-- add-port bx in -- set interface in type=internal -- add-port bx tp -- set interface tp type=tap
-- add-port bx pa -- set interface pa type=patch options:peer=pb -- add-port bx pb -- set interface pb type=patch options:peer=pa
-- add-port bx ve -- add-port bx none -- add-bond bx bo b1 b2 -- set interface b1 type=dummy -- set interface b2 type=dummy
-- --id=@q create qos type=linux-htb queues:0=@u -- --id=@u create queue other_config:max-rate=1000000 -- set port ve qos=@q
-- --id=@dm get port dm -- --id=@m create mirror name=m0 select_all=true output_port=@dm -- set bridge bx mirrors=@m
-- --id=@c create controller target="tcp:127.0.0.1:1" -- set bridge bx controller=@c
-- --id=@t create flow_table name=t flow_limit=100 -- set bridge bx flow_tables:5=@t
-- --id=@n create netflow targets="127.0.0.1:9" -- set bridge bx netflow=@n
-- --id=@s create sflow targets="127.0.0.1:9" -- set bridge bx sflow=@s
-- --id=@i create ipfix targets="127.0.0.1:9" -- set bridge bx ipfix=@i
-- --id=@bx get bridge bx -- create flow_sample_collector_set id=1 bridge=@bx
-- --id=@a create autoattach system_name=x -- set bridge bx auto_attach=@a
-- --id=@l create ssl private_key=/nonexistent/a certificate=/nonexistent/b ca_cert=/nonexistent/c -- set open_vswitch . ssl=@l
-- --id=@p create ct_timeout_policy timeouts:udp_first=5 -- --id=@z create ct_zone timeout_policy=@p
-- --id=@d create datapath datapath_version=x ct_zones:5=@z -- set open_vswitch . datapaths:netdev=@d
"""


@pytest.fixture(name="made")
def hosts_and_clients():
    made = []
    yield made
    for part in made:
        part.close()


def make_host(made, **kwargs):
    host = DatabaseHost(options=["--enable-dummy"], **kwargs)
    made.append(host)
    host.run("ip link add ve type veth peer name ve1")
    host.start_server()
    host.start_switch()
    return host


def batches(client, table, keys):
    """Sets the columns of all rows of the table, a kind of values at a time, and yields after each; then they are as before."""
    columns = [column for column in TABLES[table]["columns"] if nonsense(table, column, 0, keys) is not None]
    before = client.rows(table)
    assert before and columns or table in ("CT_Zone", "Datapath"), table
    update = {"op": "update", "table": table}
    decisive = [column for column in columns if (table, column) in DECISIVE]
    for left_out, kind in itertools.product([decisive, []] if decisive else [[]], range(len(TEXTS))):
        row = {column: nonsense(table, column, kind, keys) for column in columns if column not in left_out}
        client.change([{**update, "where": [["_uuid", "==", old["_uuid"]]], "row": row} for old in before])
        yield kind
    client.change([{**update, "where": [["_uuid", "==", old["_uuid"]]], "row": {column: old[column] for column in columns}}
                   for old in before])


@pytest.mark.skipif(not os.path.exists(MANUAL), reason="the manual pages are not installed")
def test_nonsense_in_every_column_harms_nobody_else(made):
    keys = documented()
    assert sum(len(of) for of in keys.values()) > 200
    host = make_host(made)
    clients = [Namespace("a"), Namespace("b")]
    made += clients
    host.vsctl("add-br br0")
    for n, client in enumerate(clients, 1):
        host.veth(f"p{n}", client, "eth0", f"10.1.1.{n}/24")
    host.vsctl("add-port br0 p1 -- add-port br0 p2")
    host.vsctl(ROWS.strip())
    database = Client(f"{host.dir}/db.sock")
    numbers = [host.get("Interface", f"p{n}", "ofport") for n in (1, 2)]
    assert numbers == ["1", "2"]
    for table in sorted(set(TABLES) - {"Manager"}):
        for kind in batches(database, table, keys):
            assert host.switch.poll() is None, (table, kind)
            if table == "Interface":
                assert "none" in database.errors(), kind
            reached = clients[0].run("ping -n -q -c 1 -W 5 10.1.1.2", check=False)
            assert reached.returncode == 0, (table, kind)
    assert [host.get("Interface", f"p{n}", "ofport") for n in (1, 2)] == numbers
    assert host.get("Interface", "dm", "error") == "[]", "what makes sense again works again"
    assert host.appctl("version").startswith("ovs-vswitchd")
    database.socket.close()


@pytest.mark.skipif(not os.path.exists(MANUAL), reason="the manual pages are not installed")
def test_errors_are_where_ovs_vswitchd_has_them(made):
    keys = documented()
    errors = []
    for installed in (True, False):
        host = make_host(made, installed=installed)
        host.vsctl(ROWS.split("-- --id=@q")[0].strip())
        database = Client(f"{host.dir}/db.sock")
        errors.append([set(database.errors()) for _ in batches(database, "Interface", keys)])
        database.socket.close()
    assert len(errors[0]) == len(errors[1]) == 2 * len(TEXTS)
    for number, (theirs, ours) in enumerate(zip(*errors)):
        assert theirs <= ours, f"{TEXTS[number % len(TEXTS)][:20]}: {theirs - ours}"
