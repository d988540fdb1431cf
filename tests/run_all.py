#!/usr/bin/env python3
"""Runs every suite of Sluice and ends with one line: N passed, N failed, N skipped.

Suites: lint (layers), asan (every GoogleTest program, with address and undefined behaviour sanitizers), tsan (those whose
code runs on several threads), fuzz (a short run of every target), system (pytest with the programs of build/release).
"""

import argparse
import concurrent.futures
import glob
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from dataclasses import dataclass, field

import fuzz_seeds

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUITES = ["lint", "asan", "tsan", "fuzz", "system"]
BINARY_TIMEOUT_S = 900
TEST_ENV = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "PYTHONPATH": f"{ROOT}/tests/system:{ROOT}/tests/differential",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


@dataclass
class Outcome:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    problems: list = field(default_factory=list)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.problems += other.problems


def failure(name, output):
    return Outcome(failed=1, problems=[(name, output[-8000:])])


def run(command, timeout):
    try:
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **TEST_ENV}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as expired:
        return -1, (expired.stdout or b"").decode(errors="replace") + f"\ntimed out after {timeout} s"


def run_gtest(binary):
    """One GoogleTest program. A crash loses its report, so it counts as one failure with its output."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        code, output = run([binary, "--gtest_brief=1", f"--gtest_output=json:{report.name}"], BINARY_TIMEOUT_S)
        try:
            result = json.load(open(report.name, encoding="utf-8"))
        except ValueError:
            return failure(os.path.relpath(binary, ROOT), output)
    outcome = Outcome()
    for suite in result.get("testsuites", []):
        for case in suite["testsuite"]:
            if case.get("result") == "SKIPPED":
                outcome.skipped += 1
            elif case.get("failures"):
                text = "\n".join(f["failure"] for f in case["failures"])
                outcome.add(failure(f"{os.path.relpath(binary, ROOT)} {suite['name']}.{case['name']}", text))
            elif case.get("result") == "COMPLETED":
                outcome.passed += 1
    if code != 0 and outcome.failed == 0:  # a sanitizer spoke at exit
        outcome.add(failure(os.path.relpath(binary, ROOT), output))
    return outcome


def run_gtests(preset):
    binaries = sorted(glob.glob(f"{ROOT}/build/{preset}/*_test"))
    if not binaries:
        return failure(preset, "no test program was built")
    outcome = Outcome()
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for result in pool.map(run_gtest, binaries):
            outcome.add(result)
    return outcome


def run_fuzzers(seconds):
    targets = sorted(glob.glob(f"{ROOT}/build/asan/*_fuzz"))
    if not targets:
        return failure("fuzz", "no fuzz target was built")

    def fuzz(target):
        name = os.path.basename(target)
        seeds = [d for d in (f"{ROOT}/tests/crashes/{name}", f"{ROOT}/tests/corpus/{name}") if os.path.isdir(d)]
        with tempfile.TemporaryDirectory() as corpus:
            fuzz_seeds.write(name, corpus)
            code, output = run([target, f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=20",
                                "-print_final_stats=0", f"-artifact_prefix={ROOT}/build/asan/{name}-", corpus, *seeds],
                               seconds * 4 + 120)
        return Outcome(passed=1) if code == 0 else failure(name, output)

    outcome = Outcome()
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for result in pool.map(fuzz, targets):
            outcome.add(result)
    return outcome


def run_pytest(*folders):
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        code, output = run(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                            "--import-mode=importlib", "-n", str(os.cpu_count()), "--dist", "loadfile",
                            f"--junitxml={report.name}", *folders], 2400)
        try:
            suites = xml.etree.ElementTree.parse(report.name).getroot().iter("testsuite")
        except xml.etree.ElementTree.ParseError:
            return failure("pytest", output)
        outcome = Outcome()
        for suite in suites:
            count = {k: int(suite.get(k, 0)) for k in ("tests", "errors", "failures", "skipped")}
            bad = count["errors"] + count["failures"]
            outcome.failed += bad
            outcome.skipped += count["skipped"]
            outcome.passed += count["tests"] - bad - count["skipped"]
    if code not in (0, 5):
        outcome.problems.append(("pytest", output[-20000:]))
        outcome.failed = max(outcome.failed, 1)
    return outcome


def run_layers():
    code, output = run(["/usr/bin/python3", "tests/lint/layers.py"], 60)
    return Outcome(passed=1) if code == 0 else failure("layers", output)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SUITES, action="append", help="run only this suite (may be repeated)")
    parser.add_argument("--fuzz-seconds", type=int, default=5, help="for each fuzz target (default 5)")
    arguments = parser.parse_args()
    suites = {
        "lint": run_layers,
        "asan": lambda: run_gtests("asan"),
        "tsan": lambda: run_gtests("tsan"),
        "fuzz": lambda: run_fuzzers(arguments.fuzz_seconds),
        "system": lambda: run_pytest("tests/system", "tests/differential"),
    }
    total = Outcome()
    for name in arguments.only or SUITES:
        outcome = suites[name]()
        print(f"{name}: {outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped", flush=True)
        for where, text in outcome.problems:
            print(f"\n--- {where}\n{text}\n", flush=True)
        total.add(outcome)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
