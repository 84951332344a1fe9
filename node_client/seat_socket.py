"""The Unix socket at which every program under licd-node asks for the seat, for as long as licd-node runs.

A cleaner of old files may take it away, its directory too: it is made again where it was.
"""

import contextlib
import logging
import os
import pathlib
import threading
from typing import Self

from node_client import socket_place
from node_client.node import Node
from node_client.seat_http import Askers, SeatServer
from node_client.socket_place import Place, PlaceError

_LOG = logging.getLogger("licd-node")
_LOOK = 0.25
"""Seconds between looks at whether the socket is still there."""


class SeatSocket:
    """Answers for `node` until it is closed; a context manager.

    `place`: where; default: a directory of its own in the runtime directory, for this user alone.

    Raises:
        PlaceError: the socket cannot be there.
        OSError: the directory cannot hold a socket.
    """

    def __init__(self, node: Node, place: Place | None = None) -> None:
        """Listen at once."""
        self._node = node
        self._place = place or socket_place.own(0o600, -1)
        self._place.refuse_impossible()
        self._askers = Askers()
        self._closed = threading.Event()
        self._trouble = ""
        self._server = self._listen()
        self._keeper = threading.Thread(target=self._keep, name="licd-node-socket", daemon=True)
        self._keeper.start()

    @property
    def path(self) -> pathlib.Path:
        """Where it is."""
        return self._place.path

    def close(self) -> None:
        """Stop listening, give watchers the last state, and remove the socket."""
        self._closed.set()
        self._keeper.join()
        present = self._is_there()
        self._stop()
        if present:
            with contextlib.suppress(OSError):
                self._place.remove()

    def __enter__(self) -> Self:
        """The socket itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _listen(self) -> SeatServer:
        server = SeatServer(self._node, self._askers, self._place.bind, self._closed)
        found = self.path.stat()
        self._file = found.st_dev, found.st_ino
        threading.Thread(target=server.serve_forever, name="licd-node-server", daemon=True).start()
        return server

    def _stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _keep(self) -> None:
        while not self._closed.wait(_LOOK):
            if not self._is_there():
                self._make_again()

    def _make_again(self) -> None:
        try:
            self._place.refuse_impossible()
            again = self._listen()
        except (PlaceError, OSError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                _LOG.error("the socket %s was taken away and cannot be made again: %s", self.path, error)
            return
        self._stop()
        self._server, self._trouble = again, ""
        _LOG.warning("the socket %s was taken away, and is there again", self.path)

    def _is_there(self) -> bool:
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._file
