"""The programs as a user meets them: exit status, one clear sentence, help."""

import json
import os
import re
import resource
import subprocess

import pytest

from net import BUILD, wait_until


def run(program, *words, **kwargs):
    return subprocess.run([f"{BUILD}/{program}", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=30, check=False, **kwargs)


def one_sentence(text):
    return len([line for line in text.splitlines() if line.strip()]) == 1


def test_a_port_that_does_not_exist(switch, tmp_path):
    flows = tmp_path / "f.flows"
    flows.write_text("actions=drop\n")
    done = run("sluiced", "--bridge", "br0", "--port", "nosuch0", "--flows", str(flows), env=switch.env)
    assert done.returncode == 1
    assert "nosuch0" in done.stderr and one_sentence(done.stderr)


def test_a_bad_flow_file_names_the_line(switch, tmp_path):
    flows = tmp_path / "f.flows"
    flows.write_text("actions=drop\n\nip,nw_src=10.0.0.300,actions=drop\n")
    done = run("sluiced", "--bridge", "br0", "--flows", str(flows), env=switch.env)
    assert done.returncode == 1
    assert f"{flows}:3" in done.stderr and "10.0.0.300" in done.stderr and one_sentence(done.stderr)


def test_a_bad_config_line_names_the_place(switch, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[[bridge]]\nname = "br0"\nnonsense = 1\n')
    done = run("sluiced", "--config", str(config), env=switch.env)
    assert done.returncode == 1
    assert f"{config}:3" in done.stderr and "nonsense" in done.stderr and one_sentence(done.stderr)


def test_tables_beyond_the_address_space(switch, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[conntrack]\nmax_connections = 1_000_000_000\n[[bridge]]\nname = "br0"\n')
    limit = 2 << 30  # a table that fills the memory of any machine that builds this is larger
    done = run("sluiced", "--config", str(config), env=switch.env,
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert done.returncode == 1 and one_sentence(done.stderr)
    assert re.search(r"there is no address space for a table of \d+ connections and 33554432 bytes of fragments: "
                     r"lower these sizes or raise the limit of the process \(ulimit -v\)$", done.stderr.strip())


def test_a_second_daemon_in_the_same_run_directory_is_refused(switch):
    switch.boot("actions=drop\n")
    done = run("sluiced", "--bridge", "br0", env=switch.env)
    assert done.returncode == 1 and one_sentence(done.stderr)


def test_sigterm_leaves_nothing_behind(switch):
    switch.host("a", "10.1.1.1/24")
    switch.boot("actions=drop\n")
    assert any(name.endswith(".ctl") for name in os.listdir(switch.rundir))
    assert switch.stop() == 0
    assert not [name for name in os.listdir(switch.rundir) if name.endswith((".ctl", ".pid"))]


@pytest.mark.parametrize("words", [[], ["ct"], ["flow"], ["port"], ["trace"], ["stats"], ["replay"], ["appctl"]])
def test_help_has_examples(words):
    done = run("sluice", *words, "--help")
    assert done.returncode == 0
    assert "xample" in done.stdout


def test_usage_errors_exit_with_2():
    assert run("sluice", "nonsense").returncode == 2
    assert run("sluice", "flow", "list").returncode == 2
    assert run("sluiced", "--nonsense").returncode == 2


def test_no_daemon_is_one_sentence(tmp_path):
    done = run("sluice", "ct", "list", env={**os.environ, "SLUICE_RUNDIR": str(tmp_path)})
    assert done.returncode == 1 and one_sentence(done.stderr)


def test_json_everywhere(switch):
    switch.host("a", "10.1.1.1/24")
    switch.boot("actions=drop\n")
    for words in (["ct", "list"], ["flow", "list", "br0"], ["port", "list"], ["stats"]):
        json.loads(switch.sluice(*words, "--json").stdout)


def test_real_ovs_appctl(switch):
    """The control socket speaks the ovs-appctl protocol."""
    switch.boot("actions=drop\n")
    socket = wait_until(lambda: [n for n in os.listdir(switch.rundir) if n.endswith(".ctl")], "control socket")[0]
    done = subprocess.run(["ovs-appctl", "-t", f"{switch.rundir}/{socket}", "dpctl/ct-get-maxconns"],
                          capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "3000000\n")
    done = subprocess.run(["ovs-appctl", "-t", f"{switch.rundir}/{socket}", "no/such"], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 2
    assert '"no/such" is not a valid command (use "list-commands" to see a list of valid commands)' in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    done = run("sluice", "completion", shell)
    assert done.returncode == 0 and "replay" in done.stdout
