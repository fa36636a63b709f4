"""A wire that a test can cut: a TCP forwarder between a client and a real server."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Forwards to a server. ``cut`` refuses and breaks every connection until ``mend``."""

    def __init__(self, port, host="127.0.0.1"):
        self._target = (host, port)
        self._live = set()
        self._lock = threading.Lock()
        self._down = False
        self._swallow = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def cut(self):
        """The server is gone: what is connected breaks, what connects is hung up on."""
        with self._lock:
            self._down = True
            live, self._live = self._live, set()
        for wire in live:
            _hang_up(wire)

    def mend(self):
        self._down = False

    def lose_answer_to(self, word):
        """Forward the next request that has this word, and hang up in place of the answer to it."""
        self._swallow = word

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = None
            with suppress(OSError):
                server = socket.create_connection(self._target)
            with self._lock:
                if self._down or server is None:
                    client.close()
                    if server is not None:
                        server.close()
                    continue
                self._live |= {client, server}
            lost = threading.Event()
            threading.Thread(target=self._forward, args=(client, server, lost, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, lost, False), daemon=True).start()

    def _forward(self, source, target, lost, request):
        with suppress(OSError):
            while data := source.recv(65536):
                if request and self._swallow is not None and self._swallow in data:
                    self._swallow = None
                    lost.set()
                if not request and lost.is_set():
                    break
                target.sendall(data)
        for wire in (source, target):
            _hang_up(wire)
            with self._lock:
                self._live.discard(wire)


def _hang_up(wire):
    with suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
    wire.close()
