"""FTP and TFTP through ct(alg=…) with real servers and clients: vsftpd, curl, lftp, tftpd-hpa, tftp-hpa."""

import os
import tempfile

import pytest

from net import ROOT, wait_until

CONTROL = 2121  # the helper is chosen by alg, not by port
CLIENT, SERVER = {4: "10.1.1.1", 6: "fd00:1::1"}, {4: "10.1.1.2", 6: "fd00:1::2"}
PUBLIC = {4: "10.1.1.100", 6: "fd00:1::100"}


def two_hosts(switch):
    client = switch.host("cl", f"{CLIENT[4]}/24", f"{CLIENT[6]}/64")
    server = switch.host("sv", f"{SERVER[4]}/24", f"{SERVER[6]}/64")
    return client, server


def introduce(host, other):
    """PUBLIC is at the other host's interface, as far as `host` knows: nobody answers for it."""
    mac = other.run("cat /sys/class/net/eth0/address").stdout.strip()
    for version in (4, 6):
        host.run(f"ip neigh replace {PUBLIC[version]} lladdr {mac} dev eth0")


def flows(version, proto, port, alg, commit="", nat=""):
    """Only the client may open connections, to one port; what is related to them may come from either side."""
    l4 = f"{proto}6" if version == 6 else proto
    l3 = "ipv6" if version == 6 else "ip"
    return f"""
        table=0,priority=100,arp,actions=NORMAL
        table=0,priority=100,icmp6,icmp_type=135,actions=NORMAL
        table=0,priority=100,icmp6,icmp_type=136,actions=NORMAL
        table=0,priority=50,{l3},actions=ct(table=1{nat})
        table=1,priority=90,ct_state=+trk+new+rel,{l4},in_port=1,actions=ct(commit{nat}),output:2
        table=1,priority=90,ct_state=+trk+new+rel,{l4},in_port=2,actions=ct(commit{nat}),output:1
        table=1,priority=50,ct_state=+trk+new-rel,{l4},in_port=1,tp_dst={port},actions=ct(commit{alg}{commit}),output:2
        table=1,priority=80,ct_state=+trk+est,{l4},in_port=1,actions=output:2
        table=1,priority=80,ct_state=+trk+est,{l4},in_port=2,actions=output:1
        table=1,priority=70,ct_state=+trk+rel-new-est,{l3},in_port=1,actions=output:2
        table=1,priority=70,ct_state=+trk+rel-new-est,{l3},in_port=2,actions=output:1
    """


def serve_ftp(host):
    """Anonymous vsftpd with one file of 200000 bytes; its content."""
    folder = tempfile.mkdtemp(prefix="sluice-ftp-")
    host.folders.append(folder)
    os.chmod(folder, 0o755)
    os.makedirs(f"{folder}/root")
    os.makedirs(f"{folder}/empty")
    content = "".join(f"line {i} of the file\n" for i in range(10000))[:200000]
    with open(f"{folder}/root/file", "w", encoding="ascii") as file:
        file.write(content)
    with open(f"{folder}/vsftpd.conf", "w", encoding="ascii") as file:
        file.write("\n".join([
            "listen=NO", "listen_ipv6=YES", f"listen_port={CONTROL}", "background=NO", "anonymous_enable=YES",
            "local_enable=NO", f"anon_root={folder}/root", f"secure_chroot_dir={folder}/empty", "ftp_username=daemon",
            "no_anon_password=YES", "connect_from_port_20=YES", "seccomp_sandbox=NO", "xferlog_enable=NO",
            "isolate=NO", "isolate_network=NO", ""]))
    host.start(["vsftpd", f"{folder}/vsftpd.conf"])
    wait_until(lambda: f":{CONTROL} " in host.run("ss -Hlnt").stdout, "vsftpd listens")
    return content


def fetch(host, address, *options):
    """The file, or None."""
    url = f"ftp://[{address}]:{CONTROL}/file" if ":" in address else f"ftp://{address}:{CONTROL}/file"
    done = host.run(["curl", "-s", "-g", "--max-time", "40", "--connect-timeout", "20", *options, url], check=False,
                    timeout=60)
    return done.stdout if done.returncode == 0 else None


# curl's words for each way to get a data connection; the address is curl's own, whatever NAT makes of it.
WAYS = {
    "PORT": lambda address: ["--disable-eprt", "--ftp-port", address],
    "EPRT": lambda address: ["--ftp-port", address],
    "PASV": lambda address: ["--disable-epsv", "--no-ftp-skip-pasv-ip"],
    "EPSV": lambda address: [],
}
FAMILIES = [(4, way) for way in WAYS] + [(6, "EPRT"), (6, "EPSV")]


def related(switch):
    """Packets that opened a data connection."""
    text = switch.sluice("appctl", "bridge/dump-flows", "br0").stdout
    return sum(int(line.split("n_packets=")[1].split(",")[0]) for line in text.splitlines() if "+new+rel" in line)


@pytest.mark.parametrize("version,way", FAMILIES)
def test_ftp(switch, version, way):
    client, server = two_hosts(switch)
    switch.boot(flows(version, "tcp", CONTROL, ",alg=ftp", ",exec(set_field:7->ct_mark)"))
    content = serve_ftp(server)
    assert fetch(client, SERVER[version], *WAYS[way](CLIENT[version])) == content
    assert related(switch) == 1
    table = switch.conntrack()
    assert len(table) == 2 and all(",mark=7" in line for line in table)
    assert sum(",helper=ftp" in line for line in table) == 1
    assert sum(f",dport={CONTROL})," in line for line in table) == 1
    verbose = switch.sluice("appctl", "dpctl/dump-conntrack", "-m").stdout
    assert sum(f",parent=(src={CLIENT[version]},dst={SERVER[version]}," in line for line in verbose.splitlines()) == 1
    assert switch.json("stats")["conntrack"]["related"] == 1


def test_example(switch):
    client, server = two_hosts(switch)
    with open(os.path.join(ROOT, "examples/ftp.flows"), encoding="utf-8") as example:
        switch.boot(example.read())
    content = serve_ftp(server)
    for version, way in FAMILIES:
        assert fetch(client, SERVER[version], *WAYS[way](CLIENT[version])) == content
    assert related(switch) == len(FAMILIES)
    assert server.get(CLIENT[4], port=CONTROL) is None


def test_sessions_end_with_their_host(switch):
    """vsftpd's processes for a client that is still there, one of which is another user's."""
    client, server = two_hosts(switch)
    switch.boot(flows(4, "tcp", CONTROL, ""))
    serve_ftp(server)
    client.start(["bash", "-c", f"exec 3<>/dev/tcp/{SERVER[4]}/{CONTROL}; sleep 100"])

    def programs(pids):
        """Of those that run."""
        return [name for pid in pids for name in [os.path.basename(os.readlink(f"/proc/{pid}/exe"))
                                                  if os.path.exists(f"/proc/{pid}/exe") else ""] if name]

    wait_until(lambda: programs(server.pids()).count("vsftpd") > 1, "a session has processes of its own")
    before = server.pids()
    switch.hosts.remove(server)
    server.close()
    wait_until(lambda: not programs(before), "they are gone")


def test_without_helper_there_is_no_data_connection(switch):
    client, server = two_hosts(switch)
    switch.boot(flows(4, "tcp", CONTROL, ""))
    serve_ftp(server)
    assert fetch(client, SERVER[4], "--max-time", "4") is None
    assert related(switch) == 0


@pytest.mark.parametrize("version,way", FAMILIES)
@pytest.mark.parametrize("side", ["src", "dst"])
def test_ftp_translated(switch, side, version, way):
    """vsftpd opens no data connection to another address than the control connection's: PORT has to name PUBLIC."""
    client, server = two_hosts(switch)
    introduce(server if side == "src" else client, client if side == "src" else server)
    target = PUBLIC[version] if side == "src" else SERVER[version]
    switch.boot(flows(version, "tcp", CONTROL, ",alg=ftp", f",nat({side}={target})", ",nat"))
    content = serve_ftp(server)
    dialled = SERVER[version] if side == "src" else PUBLIC[version]
    assert fetch(client, dialled, *WAYS[way](CLIENT[version])) == content
    assert related(switch) == 1
    assert sum(PUBLIC[version] in line for line in switch.conntrack()) == 2


def test_many_transfers_over_one_translated_control_connection(switch):
    """Every PORT makes the stream longer: sequence numbers have to add up for all that follow."""
    client, server = two_hosts(switch)
    introduce(server, client)
    switch.boot(flows(4, "tcp", CONTROL, ",alg=ftp", f",nat(src={PUBLIC[4]})", ",nat"))
    content = serve_ftp(server)
    script = ("set ftp:passive-mode off; set ftp:prefer-epsv off; set net:timeout 20; set net:max-retries 2; "
              f"open -u anonymous,x ftp://{SERVER[4]}:{CONTROL}; " + "cat file; " * 12 + "bye")
    done = client.run(["lftp", "-c", script], timeout=120)
    assert done.stdout == content * 12
    assert related(switch) >= 12
    assert len([line for line in switch.conntrack() if ",helper=ftp" in line]) == 1


def test_expectations_are_shown(switch):
    """A client that announces and then waits."""
    client, server = two_hosts(switch)
    switch.boot(flows(4, "tcp", CONTROL, ",alg=ftp"))
    serve_ftp(server)
    script = ("import socket,sys,time\n"
              f"s=socket.create_connection(('{SERVER[4]}',{CONTROL}),20)\n"
              "f=s.makefile('rw',newline='')\n"
              "def say(t):\n f.write(t+'\\r\\n'); f.flush(); return f.readline()\n"
              "f.readline(); say('USER anonymous'); say('PASS x')\n"
              "print(say('PORT 10,1,1,1,195,80'), flush=True)\ntime.sleep(60)\n")
    client.start(["/usr/bin/python3", "-c", script])
    lines = wait_until(lambda: switch.sluice("appctl", "dpctl/dump-conntrack-exp").stdout.split(), "an expectation")
    assert len(lines) == 1
    assert lines[0].startswith("tcp,orig=(src=10.1.1.2,dst=10.1.1.1,sport=0,dport=50000),parent=(src=10.1.1.1,dst=10.1.1.2,")
    assert switch.sluice("appctl", "dpctl/dump-conntrack-exp", "zone=1").stdout == ""
    row, = switch.json("ct", "expectations")
    assert row["expected"]["dport"] == 50000 and row["helper"] == "ftp"
    assert "10.1.1.1:50000" in switch.sluice("ct", "expectations").stdout


def serve_tftp(host):
    folder = tempfile.mkdtemp(prefix="sluice-tftp-")
    host.folders.append(folder)
    os.chmod(folder, 0o755)
    content = "0123456789abcdef" * 1000
    with open(f"{folder}/file", "w", encoding="ascii") as file:
        file.write(content)
    for version in (4, 6):
        address = f"[{SERVER[6]}]" if version == 6 else SERVER[4]
        host.start(["in.tftpd", "--foreground", f"-{version}", "--address", f"{address}:69", "--user", "nobody",
                    "--secure", folder])
    wait_until(lambda: host.run("ss -Hlnu").stdout.count(":69 ") == 2, "tftpd listens")
    return content


def fetch_tftp(host, address):
    url = f"tftp://[{address}]/file" if ":" in address else f"tftp://{address}/file"
    done = host.run(["curl", "-s", "-g", "--max-time", "40", url], check=False, timeout=60)
    return done.stdout if done.returncode == 0 else None


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("side", ["", "src", "dst"])
def test_tftp(switch, version, side):
    client, server = two_hosts(switch)
    nat = ""
    dialled = SERVER[version]
    if side == "src":
        introduce(server, client)
        nat = f",nat(src={PUBLIC[version]})"
    elif side == "dst":
        introduce(client, server)
        nat = f",nat(dst={SERVER[version]})"
        dialled = PUBLIC[version]
    switch.boot(flows(version, "udp", 69, ",alg=tftp", nat, ",nat" if side else ""))
    content = serve_tftp(server)
    assert fetch_tftp(client, dialled) == content
    assert related(switch) == 1
    table = switch.conntrack()
    assert len(table) == 2 and sum(",helper=tftp" in line for line in table) == 1


def test_tftp_hpa_client(switch):
    client, server = two_hosts(switch)
    switch.boot(flows(4, "udp", 69, ",alg=tftp"))
    content = serve_tftp(server)
    folder = tempfile.mkdtemp(prefix="sluice-tftp-")
    client.folders.append(folder)
    client.run(["sh", "-c", f"cd {folder} && timeout 40 tftp -m binary {SERVER[4]} -c get file"], timeout=60)
    with open(f"{folder}/file", encoding="ascii") as file:
        assert file.read() == content
    assert related(switch) == 1
