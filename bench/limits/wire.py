"""A wire with a round trip: bytes arrive as fast as they come and so much later."""

from __future__ import annotations

import queue
import socket
import threading
import time

# What may be under way in one direction: a gigabit for a second is twice as much.
PIECES_MAX = 1_000
PIECE_BYTES = 64 << 10


class Wire:
    """Listens on a free port of loopback; each connection goes on to `port` and is delayed both ways."""

    def __init__(self, port: int, round_trip_seconds: float) -> None:
        self.to, self.delay = port, round_trip_seconds / 2
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._start(self._accept)

    def close(self) -> None:
        self.listener.close()

    @staticmethod
    def _start(target, *arguments) -> None:
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, target in ((near, far), (far, near)):
                pieces: queue.Queue[tuple[float, bytes]] = queue.Queue(PIECES_MAX)
                self._start(self._take, source, pieces)
                self._start(self._give, target, pieces)

    def _take(self, source: socket.socket, pieces: queue.Queue[tuple[float, bytes]]) -> None:
        piece = b"-"
        while piece:
            try:
                piece = source.recv(PIECE_BYTES)
            except OSError:
                piece = b""
            pieces.put((time.monotonic() + self.delay, piece))

    @staticmethod
    def _give(target: socket.socket, pieces: queue.Queue[tuple[float, bytes]]) -> None:
        while True:
            due, piece = pieces.get()
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            try:
                if not piece:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(piece)
            except OSError:
                return
