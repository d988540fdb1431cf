"""An OpenFlow controller that a test drives by hand: it listens on a unix socket, shakes hands, answers echoes, and keeps what
the switch says, as `ovs-ofctl ofp-print` prints it."""

import os
import re
import socket
import struct
import subprocess
import threading
import time

HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, FEATURES_REQUEST = 0, 1, 2, 3, 5
BARRIER = {1: (18, 19), 2: (20, 21), 3: (20, 21), 4: (20, 21), 5: (20, 21), 6: (20, 21)}  # version: request, reply


class Controller:
    def __init__(self, path, version):
        self.path, self.version = path, version
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.connection, self.buffer, self.heard, self.xid = None, b"", [], 0x100
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.buffer = b""
            connection.sendall(struct.pack("!BBHI", self.version, HELLO, 8, 1))
            with self.changed:
                self.connection = connection
                self.changed.notify_all()
            while self._read(connection):
                pass
            with self.changed:
                self.connection = None
                self.changed.notify_all()
            connection.close()

    def _read(self, connection):
        try:
            data = connection.recv(65536)
        except OSError:
            return False
        if not data:
            return False
        self.buffer += data
        while len(self.buffer) >= 8:
            _, kind, length, xid = struct.unpack("!BBHI", self.buffer[:8])
            if len(self.buffer) < length:
                break
            message, self.buffer = self.buffer[:length], self.buffer[length:]
            if kind == ECHO_REQUEST:
                connection.sendall(struct.pack("!BBHI", self.version, ECHO_REPLY, length, xid) + message[8:])
            elif kind != HELLO:
                with self.changed:
                    self.heard.append(message)
                    self.changed.notify_all()
        return True

    def _wait(self, condition, what):
        with self.changed:
            assert self.changed.wait_for(condition, 20), what

    def connected(self):
        self._wait(lambda: self.connection is not None, "the switch does not connect")

    def send(self, kind, body=b""):
        self.xid += 1
        self.connection.sendall(struct.pack("!BBHI", self.version, kind, 8 + len(body), self.xid) + body)

    def barrier(self):
        """Waits until the switch has done what was asked so far."""
        request, reply = BARRIER[self.version]
        self.send(request)
        xid = self.xid
        answered = lambda: any(m[1] == reply and struct.unpack("!I", m[4:8])[0] == xid for m in self.heard)
        self._wait(answered, "no answer to a barrier")

    def say(self, kind, body=b""):
        self.send(kind, body)
        self.barrier()

    def disconnect(self):
        self.connection.shutdown(socket.SHUT_RDWR)
        self._wait(lambda: self.connection is None, "the connection does not end")

    def take(self):
        """The messages since the last call, without the answers to barriers."""
        reply = BARRIER[self.version][1]
        with self.changed:
            heard, self.heard = [m for m in self.heard if m[1] != reply], []
        return [self.text(m) for m in heard]

    @staticmethod
    def text(message):
        done = subprocess.run(["ovs-ofctl", "ofp-print", message.hex()], capture_output=True, text=True, check=True, timeout=20)
        text = re.sub(r"\(xid=0x[0-9a-f]+\)", "(xid)", done.stdout)
        text = re.sub(r"duration=?[0-9.]+s?|duration[0-9.]+s", "duration", text)
        text = re.sub(r"(cookie=0x[0-9a-f]+ )?\b(dpid|addr):[0-9a-f:]+", r"\1\2", text)
        # Of the message that an error is about Open vSwitch sends all, Sluice what the specification wants.
        return text.split("\n", 1)[0] if "OFPT_ERROR" in text else text.rstrip("\n")

    def close(self):
        self.listener.close()
        if self.connection is not None:
            self.connection.close()
        if os.path.exists(self.path):
            os.unlink(self.path)


def settle(switch, controllers):
    """Until nothing more is heard: what happens in the switch is told a moment later."""
    quiet, before = 0, None
    while quiet < 2:
        switch.appctl("version")
        time.sleep(0.03)
        for controller in controllers:
            if controller.connection is not None:
                controller.barrier()
        now = [sum(m[1] != BARRIER[c.version][1] for m in c.heard) for c in controllers]
        quiet = quiet + 1 if now == before else 0
        before = now
