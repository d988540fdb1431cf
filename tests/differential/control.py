"""A client of the control socket that ovs-appctl speaks to: JSON-RPC 1.0 over a unix stream, one connection kept, so
that thousands of commands need no process each."""

import json
import socket


class Control:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.decoder = json.JSONDecoder()
        self.id = 0

    def call(self, method, *params):
        """The command's text; AssertionError with the daemon's sentence if it refuses."""
        self.id += 1
        self.socket.sendall(json.dumps({"method": method, "params": list(params), "id": self.id}).encode())
        received = ""
        while True:
            part = self.socket.recv(1 << 20)
            assert part, f"{method}: the daemon closed the connection"
            received += part.decode()
            try:
                reply, _ = self.decoder.raw_decode(received)
                break
            except json.JSONDecodeError:
                continue  # the rest is on its way
        assert reply["id"] == self.id, f"{method}: reply to another call"
        if reply["error"] is not None:
            raise AssertionError(f"{reply['error'].strip()}: answer to {method} {' '.join(params)}")
        return reply["result"]

    def close(self):
        self.socket.close()
