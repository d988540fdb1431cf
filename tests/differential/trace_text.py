"""What ofproto/trace prints, read and put into a form in which two switches can be compared."""

import ipaddress
import re

FLOODS = re.compile(r"^\s*(FLOOD|ALL|NORMAL)$|\b(FLOOD|ALL|NORMAL)\b.*action set|flooding$", re.M)


class Pass:
    """One pass through the pipeline: megaflow, datapath actions, the recirculation id that it began with ('0': none)."""

    def __init__(self, section, heading):
        self.recirc = heading
        self.megaflow, self.actions = re.search(r"^Megaflow: (.*)\nDatapath actions: (.*)$", section, re.M).groups()
        self.floods = bool(FLOODS.search(section))
        self.failed = "Translation failed" in section


def passes(trace, ports=None):
    """The passes up to the end of the trace. `ports` maps datapath port numbers.

    Recirculation ids are left out: Open vSwitch may share one where we take another, and the passes, which are in the
    order of the recirculations, say what each leads to. ovs-appctl follows only recirculation by ct(); what an MPLS
    pop leads to is left out on either side.
    """
    parts = re.split(r"^={20,}\nrecirc\((0x[0-9a-f]+)\)( - resume conntrack.*)?(?:\nReplacing.*\n Initial.*\n Modified.*)?\n={20,}$", trace, flags=re.M)
    result = [Pass(parts[0], "0")]
    hidden = set()
    for recirc, ct, section in zip(parts[1::3], parts[2::3], parts[3::3]):
        found = Pass(section, recirc)
        if ct is None or recirc in hidden:
            hidden |= set(re.findall(r"recirc\((0x[0-9a-f]+)\)", found.actions))
            continue
        result.append(found)
    for found in result:
        found.megaflow = re.sub(r"recirc_id=0x[0-9a-f]+", "recirc_id=R", found.megaflow)
        # A controller action's state gets a number of the same kind, private to each switch. Open vSwitch says
        # dont_send=1 as long as the bridge has no controller.
        found.actions = re.sub(r"dont_send=[01],continuation=0,recirc_id=\d+", "recirc_id=N", found.actions)
        found.actions = re.sub(r"recirc\(0x[0-9a-f]+\)", "recirc(R)", found.actions)
        if ports:
            found.actions = re.sub(r"((?:^|,|\bclone\())(\d+)(?=[,)]|$)", lambda m: m[1] + ports[m[2]], found.actions)
    return result


def comparable(passes_, packet):
    """The actions of each pass.

    Where a pass floods, outputs side by side are sorted: Open vSwitch floods in the order of a hash. A set under a
    mask says what it makes of the packet, {field: value}: how much of a field is in the mask depends on what a
    classifier happened to look at.
    """
    state = {key: number(packet[name]) for key, name in SET_FIELDS.items() if name in packet}
    result = []
    for found in passes_:
        actions = re.sub(r"set\((ipv4|ipv6|eth)\(([^)]*)\)\)", lambda m: f"set({m[1]}({whole(state, m[1], m[2])}))", found.actions)
        actions = re.sub(r"clone\((\d+)\)", r"\1", actions)  # a copy that is only sent is a packet that is sent
        if found.floods:
            actions = re.sub(r"(?<![\w=.:/])\d+(?:,\d+)+(?![\w=.:/(])",
                             lambda m: ",".join(sorted(m[0].split(","), key=int)), actions)
        result.append(actions)
    return result


SET_FIELDS = {"ipv4(src": "nw_src", "ipv4(dst": "nw_dst", "ipv4(tos": "nw_tos", "ipv6(src": "ipv6_src",
              "ipv6(dst": "ipv6_dst", "ipv6(tclass": "nw_tos", "eth(src": "dl_src", "eth(dst": "dl_dst"}


def whole(state, header, fields):
    """The fields of one set action without masks; `state` is what the packet has had and gets."""
    words = []
    for field in fields.split(","):
        name, _, value = field.partition("=")
        key = f"{header}({name}"
        if key in SET_FIELDS:
            value, _, mask = value.partition("/")
            looked_at = number(mask) if mask else -1
            state[key] = (state.get(key, 0) & ~looked_at) | (number(value) & looked_at)
            value = hex(state[key])
        words.append(f"{name}={value}")
    return ",".join(words)


def number(text):
    """An address, a MAC or a number as an integer; None if it is none of them."""
    try:
        if re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", text):
            return int(text.replace(":", ""), 16)
        return int(ipaddress.ip_address(text)) if "." in text or ":" in text else int(text, 0)
    except ValueError:
        return None


def masked_fields(megaflow):
    """{name: (value, mask or None)} of a megaflow; words without a value (tcp, eth) have None."""
    fields = {}
    for word in megaflow.split(","):
        name, _, value = word.partition("=")
        value, _, mask = value.partition("/")
        fields[name] = (value, mask or None)
    return fields
