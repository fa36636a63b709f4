"""A TCP proxy that a test can interrupt, between a client and a real server."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Forwards to a server. After ``disconnect`` it breaks and refuses every connection until ``restore``."""

    def __init__(self, port, host="127.0.0.1"):
        self._target = (host, port)
        self._connections = set()
        self._lock = threading.Lock()
        self._down = False
        self._drop_response_to = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.disconnect()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def disconnect(self):
        """Take the server away: open connections break, new ones are closed at once."""
        with self._lock:
            self._down = True
            connections, self._connections = self._connections, set()
        for connection in connections:
            _close(connection)

    def restore(self):
        self._down = False

    def drop_response_to(self, word):
        """Forward the next request that contains this word, and close the connection in place of its response."""
        self._drop_response_to = word

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
                self._connections |= {client, server}
            dropping = threading.Event()
            threading.Thread(target=self._forward, args=(client, server, dropping, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, dropping, False), daemon=True).start()

    def _forward(self, source, target, dropping, is_request):
        with suppress(OSError):
            while data := source.recv(65536):
                if is_request and self._drop_response_to is not None and self._drop_response_to in data:
                    self._drop_response_to = None
                    dropping.set()
                if not is_request and dropping.is_set():
                    break
                target.sendall(data)
        for connection in (source, target):
            _close(connection)
            with self._lock:
                self._connections.discard(connection)


def _close(connection):
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
