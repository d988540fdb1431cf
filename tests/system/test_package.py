"""packaging/: the .deb is built and installed for real, on an overlay over this machine that is thrown away, and what it put
there works."""

import os
import shutil
import subprocess
import tempfile

import pytest

from net import BUILD, ROOT

SETUP = """
set -e
mkdir -p {dir}/changes {dir}/work {dir}/root
mount -t tmpfs none {dir}/changes
mkdir {dir}/changes/up {dir}/changes/work
mount -t overlay overlay -o lowerdir=/,upperdir={dir}/changes/up,workdir={dir}/changes/work {dir}/root
mount -t proc proc {dir}/root/proc
mount --bind /dev {dir}/root/dev
mount -t tmpfs none {dir}/root/run
mount -t tmpfs none {dir}/root/tmp
cp {dir}/*.deb {dir}/root/tmp/
exec chroot {dir}/root /bin/sh -euc "$1"
"""


class Machine:
    """Commands on the throw-away copy of this machine, in a network of its own: each starts from the same state."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sluice-package-")
        subprocess.run([f"{ROOT}/packaging/build_deb.sh", BUILD, self.dir], check=True, capture_output=True)

    def run(self, script, check=True):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "OVS_SYSLOG_METHOD": "null"}
        done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "/bin/sh", "-c",
                               SETUP.format(dir=self.dir), "sh", script], capture_output=True, text=True, timeout=120,
                              check=False, env=env, stdin=subprocess.DEVNULL)
        if check:
            assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(name="machine", scope="module")
def throw_away_machine():
    made = Machine()
    if made.run("true", check=False).returncode != 0:
        shutil.rmtree(made.dir)
        pytest.skip("needs root, mount namespaces and overlayfs")
    yield made
    shutil.rmtree(made.dir)


def test_installs_and_goes(machine):
    out = machine.run("""
        dpkg -i /tmp/*.deb >&2
        dpkg -s sluice-switch | grep '^Status: install ok installed'
        sluice --version; sluiced --version
        update-alternatives --query ovs-vswitchd | grep -A1 '^Alternative: /usr/lib/sluice/ovs-vswitchd'
        readlink -f /usr/sbin/ovs-vswitchd
        update-alternatives --set ovs-vswitchd /usr/lib/sluice/ovs-vswitchd >&2
        ovs-vswitchd --version
        dpkg -r sluice-switch >&2
        readlink -f /usr/sbin/ovs-vswitchd
        ! [ -e /usr/sbin/sluiced ]
        mkdir -p /var/log/sluice /etc/sluice; touch /var/log/sluice/sluiced.log
        dpkg --purge sluice-switch >&2
        ! [ -e /var/log/sluice ]; ! [ -e /etc/sluice ]
    """).stdout.splitlines()
    assert out[0] == "Status: install ok installed"
    assert out[3:5] == ["Alternative: /usr/lib/sluice/ovs-vswitchd", "Priority: 50"]
    assert out[5] == "/usr/lib/openvswitch-switch/ovs-vswitchd", "nobody asked for Sluice yet"
    assert "Sluice" in out[6]
    assert out[7] == "/usr/lib/openvswitch-switch/ovs-vswitchd"


def test_ovs_ctl_takes_it(machine):
    """Services of openvswitch-switch are started by ovs-ctl, which wants to know what version it starts."""
    out = machine.run("""
        dpkg -i /tmp/*.deb >&2
        update-alternatives --set ovs-vswitchd /usr/lib/sluice/ovs-vswitchd >&2
        rm -rf /etc/openvswitch; mkdir -p /etc/openvswitch /run/openvswitch
        ip link set lo up
        /usr/share/openvswitch/scripts/ovs-ctl --no-ovs-vswitchd --system-id=random start
        ovs-vswitchd --detach --no-chdir --pidfile --log-file
        ovs-vsctl --timeout=10 add-br br7
        ovs-vsctl get Open_vSwitch . ovs_version
        ovs-vswitchd --version
        /usr/share/openvswitch/scripts/ovs-ctl stop >&2
        ! /usr/share/openvswitch/scripts/ovs-ctl status
    """).stdout.splitlines()
    assert "Configuring Open vSwitch system IDs." in out
    version = next(line for line in out if line.startswith("ovs-vswitchd (")).split()[-1]
    assert f'"{version}"' in out
    assert out[-2:] == ["ovsdb-server is not running", "ovs-vswitchd is not running"]


def test_upgrades_keep_what_was_configured(machine):
    out = machine.run("""
        dpkg -i /tmp/*.deb >&2
        update-alternatives --set ovs-vswitchd /usr/lib/sluice/ovs-vswitchd >&2
        mkdir -p /etc/sluice; echo 'workers = 2' >/etc/sluice/switch.toml
        dpkg-deb -R /tmp/*.deb /tmp/newer
        sed -i 's/^Version: .*/Version: 99.0/' /tmp/newer/DEBIAN/control
        dpkg-deb -b /tmp/newer /tmp/newer.deb >&2
        dpkg -i /tmp/newer.deb >&2
        dpkg-query -W sluice-switch
        cat /etc/sluice/switch.toml
        update-alternatives --query ovs-vswitchd | grep -e ^Status -e ^Value
        dpkg --purge sluice-switch >&2
        cat /etc/sluice/switch.toml
    """).stdout.splitlines()
    assert out == ["sluice-switch\t99.0", "workers = 2", "Status: manual", "Value: /usr/lib/sluice/ovs-vswitchd",
                   "workers = 2"]


def test_apt_does_not_take_another_package_for_it(machine):
    """Debian's own package sluice is another program."""
    out = machine.run("dpkg-deb -f /tmp/*.deb Package Conflicts Replaces").stdout.splitlines()
    assert out == ["Package: sluice-switch", "Conflicts: sluice", "Replaces: sluice"]


def test_what_the_units_start_works(machine):
    """The commands of the two services, in their order, as systemd would run them."""

    def command(unit, key):
        for line in open(f"{ROOT}/packaging/{unit}.service", encoding="ascii"):
            if line.startswith(key + "="):
                return line.split("=", 1)[1].strip()
        raise AssertionError(f"{unit} has no {key}")

    out = machine.run(f"""
        dpkg -i /tmp/*.deb >&2
        mkdir -p /run/openvswitch /var/log/openvswitch
        ip link set lo up
        rm -f /etc/openvswitch/conf.db
        {command("sluice-ovsdb", "ExecStartPre")}
        {command("sluice-ovsdb", "ExecStart")}
        {command("sluice-vswitchd", "ExecStart")}
        ovs-vsctl --timeout=10 add-br br7
        ovs-ofctl add-flow br7 tcp,actions=drop
        ovs-ofctl --no-stats dump-flows br7
        ovs-appctl version
        test -s /run/openvswitch/ovs-vswitchd.pid
        ovs-appctl exit
        kill $(cat /run/openvswitch/ovsdb-server.pid)
    """).stdout
    assert " tcp actions=drop" in out
    assert "Sluice" in out


def test_units_and_manuals_are_sound(machine):
    out = machine.run("""
        dpkg -i /tmp/*.deb >&2
        if command -v systemd-analyze >/dev/null; then systemd-analyze verify --man=no sluiced.service \\
            sluice-vswitchd.service 2>&1 | grep -i 'sluice' || true; fi
    """).stdout
    assert out == ""
    for page in ("usr/share/man/man8/sluiced.8.gz", "usr/share/man/man1/sluice.1.gz"):
        tree = f"{machine.dir}/tree"
        deb = next(name for name in os.listdir(machine.dir) if name.endswith(".deb"))
        subprocess.run(["dpkg-deb", "-x", f"{machine.dir}/{deb}", tree], check=True)
        shown = subprocess.run(["man", "--warnings", "-l", f"{tree}/{page}"], capture_output=True, text=True, check=True,
                               env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C.UTF-8"})
        assert shown.stderr == ""
        assert "--config FILE" in shown.stdout or "completion" in shown.stdout
        shutil.rmtree(tree)
