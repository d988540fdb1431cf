"""sluiced with dummy ports, for comparisons with the installed Open vSwitch: needs no root."""

import os
import shutil
import subprocess
import tempfile
import time

from control import Control

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLUICE_BUILD", f"{ROOT}/build/release")


class Sluice:
    """One bridge, br0, with dummy ports p1 … pN that have OpenFlow numbers 1 … N."""

    def __init__(self, ports=4):
        self.dir = tempfile.mkdtemp(prefix="sluice-diff-")
        self.env = {**os.environ, "SLUICE_RUNDIR": self.dir}
        config = f"{self.dir}/switch.toml"
        with open(config, "w", encoding="utf-8") as file:
            file.write('[[bridge]]\nname = "br0"\nlocal = "dummy"\n')
            for n in range(1, ports + 1):
                file.write(f'[[bridge.port]]\nname = "p{n}"\ntype = "dummy"\nnumber = {n}\n')
        self.log = open(f"{self.dir}/output.log", "wb")
        self.process = subprocess.Popen([f"{BUILD}/sluiced", "--config", config], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.control = self._connect()

    def _connect(self):
        end = time.monotonic() + 10
        while True:
            try:
                return Control(f"{self.dir}/sluiced.{self.process.pid}.ctl")
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, open(f"{self.dir}/output.log").read()
                time.sleep(0.02)

    def appctl(self, *words):
        return self.control.call(*words)

    def replace_flows(self, flows):
        self.control.call("sluice/flow-replace", "br0", "test", flows)

    def replace_groups(self, groups):
        self.control.call("sluice/group-del", "br0")
        if groups:
            self.control.call("sluice/group-add", "br0", groups)

    def close(self):
        self.control.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
