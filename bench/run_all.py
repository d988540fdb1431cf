#!/usr/bin/env python3
"""Runs the benchmarks of build/release and prints a table: median of the repetitions, and every counter they report.

usage: bench/run_all.py [NAME…] [--repetitions N] [--json FILE]
NAME keeps the programs and benchmarks whose name contains it. The rigs, which compare whole switches, are RIGS.
"""

import argparse
import glob
import json
import os
import platform
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STANDARD = {"name", "family_index", "per_family_instance_index", "run_name", "run_type", "repetitions",
            "repetition_index", "threads", "iterations", "real_time", "cpu_time", "time_unit", "aggregate_name",
            "aggregate_unit", "label", "error_occurred", "error_message"}
RIGS = ["openflow"]  # bench/NAME.py, run when it is named or nothing is
UNIT_NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def machine():
    model = "unknown processor"
    for line in open("/proc/cpuinfo", encoding="utf-8"):
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    try:
        commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                                check=False).stdout.strip()
    except FileNotFoundError:  # a machine without git
        commit = ""
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, commit {commit or 'unknown'}"


def run(program, names, repetitions):
    name = os.path.basename(program)
    command = [program, "--benchmark_format=json", f"--benchmark_repetitions={repetitions}",
               "--benchmark_min_time=0.1", "--benchmark_report_aggregates_only=true"]
    wanted = [n for n in names if n not in name]
    if names and len(wanted) == len(names):
        command.append("--benchmark_filter=" + "|".join(names))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        print(f"{name}: status {done.returncode}\n{done.stderr}", file=sys.stderr)
        return None
    return json.loads(done.stdout)["benchmarks"] if done.stdout.strip() else []


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", help="also write every figure there")
    arguments = parser.parse_args()

    print(machine())
    everything, failed = [], False
    for program in sorted(glob.glob(f"{ROOT}/build/release/*_bench")):
        results = run(program, arguments.names, arguments.repetitions)
        if results is None:
            failed = True
            continue
        medians = [b for b in results if b.get("aggregate_name") == "median"]
        if medians:
            print(f"\n{os.path.basename(program)}")
        for b in medians:
            # The library counts an inverted rate in seconds.
            counters = "  ".join(f"{k}={v * 1e9 if k.startswith('ns_per_') else v:.4g}"
                                 for k, v in sorted(b.items()) if k not in STANDARD)
            time = b["real_time" if b["run_name"].endswith("/manual_time") else "cpu_time"] * UNIT_NS[b["time_unit"]]
            print(f"  {b['run_name']:<56} {time:>14.1f} ns  {counters}", flush=True)
        everything += medians
    for rig in RIGS:
        if not arguments.names or any(name in rig for name in arguments.names):
            print()
            failed |= subprocess.run([sys.executable, f"{ROOT}/bench/{rig}.py"], check=False).returncode != 0
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "benchmarks": everything}, file, indent=1)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
