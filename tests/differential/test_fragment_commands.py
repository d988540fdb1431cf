"""The commands of reassembly, given to the installed ovs-vswitchd and to Sluice: answers and errors are equal."""

import pytest

COMMANDS = [
    ("dpctl/ipf-set-enabled", "v4"), ("dpctl/ipf-set-disabled", "v6"), ("dpctl/ipf-get-status",),
    ("dpctl/ipf-set-disabled", "v4"), ("dpctl/ipf-set-enabled", "v6"), ("dpctl/ipf-get-status", "-m"),
    ("dpctl/ipf-set-enabled", "v4"), ("dpctl/ipf-set-enabled", "v5"), ("dpctl/ipf-set-enabled", "ipv4"),
    ("dpctl/ipf-set-enabled",), ("dpctl/ipf-set-min-frag", "v4", "400"), ("dpctl/ipf-set-min-frag", "v6", "1500"),
    ("dpctl/ipf-set-min-frag", "v4", "399"), ("dpctl/ipf-set-min-frag", "v4", "x"),
    ("dpctl/ipf-set-min-frag", "v7", "500"), ("dpctl/ipf-set-min-frag", "1200"),
    ("dpctl/ipf-set-min-frag", "v4", "65000"), ("dpctl/ipf-set-max-nfrags", "5000"),
    ("dpctl/ipf-set-max-nfrags", "0"), ("dpctl/ipf-set-max-nfrags", "x"), ("dpctl/ipf-set-max-nfrags",),
    ("dpctl/ipf-get-status", "nosuch"), ("dpctl/ipf-get-status",),
]


def answer(program, words):
    try:
        return program.appctl(*words)
    except AssertionError as refused:
        return "refused: " + str(refused)


def test_commands_answer_alike(ovs, sluice):
    ovs.add_bridge("br0", 1)
    # The one difference at the start: limits.
    for program in (ovs, sluice):
        program.appctl("dpctl/ipf-set-max-nfrags", "1000")
        program.appctl("dpctl/ipf-set-min-frag", "v4", "1200")
        program.appctl("dpctl/ipf-set-min-frag", "v6", "1280")
    for words in COMMANDS:
        assert answer(sluice, words) == answer(ovs, words), " ".join(words)


def test_what_only_sluice_takes(sluice):
    sluice.appctl("dpctl/ipf-set-min-frag", "v4", "0")
    sluice.appctl("dpctl/ipf-set-max-nfrags", "100000")
    status = sluice.appctl("dpctl/ipf-get-status")
    assert "min v4 frag size: 0\n" in status and "max num frags (v4/v6): 100000\n" in status
    with pytest.raises(AssertionError, match="parameter missing for maximum fragments"):
        sluice.appctl("dpctl/ipf-set-max-nfrags", "4294967296")
