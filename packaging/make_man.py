#!/usr/bin/env python3
"""Makes a manual page out of what a program says of itself, so that the two can't differ.

usage: make_man.py PROGRAM SECTION "what it is" [HELP-NAME=PROGRAM-WITH-HELP…] < further sections in roff
"""

import os
import subprocess
import sys


def escaped(text):
    lines = []
    for line in text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").splitlines():
        lines.append("\\&" + line if line.startswith((".", "'")) else line)
    return "\n".join(lines)


def help_of(program):
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout


def main():
    program, section, summary = sys.argv[1:4]
    name = os.path.basename(program)
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    print(f'.TH {name.upper()} {section} "" "Sluice {version}"\n.SH NAME\n{name} \\- {summary}')
    print(f".SH USAGE\n.nf\n{escaped(help_of(program))}\n.fi")
    for more in sys.argv[4:]:
        title, other = more.split("=", 1)
        print(f".SH {title.upper()}\n.nf\n{escaped(help_of(other))}\n.fi")
    print(sys.stdin.read().rstrip())


if __name__ == "__main__":
    main()
