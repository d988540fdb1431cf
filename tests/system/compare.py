"""The same commands against Sluice and against the installed ovs-vswitchd: what each prints, with what is bound to differ
from run to run masked."""

import difflib
import re

# What depends on the moment, the process, or the kernel's choice. Order matters.
MASKS = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "DATE"),
    (re.compile(r"(duration|used|idle_age|hard_age|sec_since_\w+)=[0-9.]+s?"), r"\1=T"),
    (re.compile(r"(idle_age|hard_age)=\d+, "), ""),
    (re.compile(r"\b(idle|hard)_age=T,? ?"), ""),
    (re.compile(r"used:[0-9.]+s|used:never"), "used:T"),
    (re.compile(r"timeout=\d+"), "timeout=T"),
    (re.compile(r"xid=0x[0-9a-f]+"), "xid=X"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b"), "MAC"),
    (re.compile(r"dpid:[0-9a-f]{16}"), "dpid:D"),
    (re.compile(r"\bid=\d+,type="), "id=N,type="),
    (re.compile(r"recirc(_id)?([=(])0x[0-9a-f]+"), r"recirc\1\2R"),
    (re.compile(r"ifindex *[=:] *\d+"), "ifindex=I"),
]


def masked(text):
    for pattern, replacement in MASKS:
        text = pattern.sub(replacement, text)
    return text


def run(host, words):
    """Status and everything printed, masked."""
    done = host.tool(*words, check=False)
    err = done.stderr.replace(host.dir, "RUNDIR")
    return f"[{done.returncode}]\n{masked(done.stdout.replace(host.dir, 'RUNDIR'))}{masked(err)}"


def difference(command, theirs, ours):
    """Nothing if they are equal; else a diff that says which command."""
    if theirs == ours:
        return ""
    lines = difflib.unified_diff(theirs.splitlines(), ours.splitlines(), "ovs-vswitchd", "Sluice", lineterm="", n=2)
    return f"$ {' '.join(command)}\n" + "\n".join(lines) + "\n"
