"""A read-only HTTP server for this machine alone, of the standard library."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ptycho_torch.errors import DataError
from ptycho_torch.watch.progress import PICTURES, REPORT, newest_pictures, progress

HOST = "127.0.0.1"
_NAMES = {HOST, "localhost"}


class _Handler(BaseHTTPRequestHandler):
    """Answers GET for the page, the state, the report and the pictures of one folder, and nothing else."""

    def __init__(self, folder: Path, *arguments: Any, **more: Any) -> None:
        self.folder = folder
        super().__init__(*arguments, **more)

    def do_GET(self) -> None:
        # A page of another site that resolves its name to this machine is not to read the run.
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in _NAMES:
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        path = unquote(urlsplit(self.path).path)
        try:
            found = self._content(path)
        except OSError:
            found = None
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        kind, content = found
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def _content(self, path: str) -> tuple[str, bytes] | None:
        """The type and the content at a path; None where there is nothing. Raises OSError."""
        match path:
            case "/":
                page = files("ptycho_torch.watch").joinpath("templates/watch.html").read_bytes()
                return "text/html; charset=utf-8", page
            case "/state":
                return "application/json", json.dumps(progress(self.folder)).encode()
            case "/report":
                return "text/html; charset=utf-8", (self.folder / REPORT).read_bytes()
        name = path.removeprefix("/picture/")
        # Nothing but what was listed, so that no path leads out of the folder.
        if name != path and name in newest_pictures(self.folder):
            return "image/png", (self.folder / PICTURES / name).read_bytes()
        return None

    def log_message(self, *_: object) -> None:
        """Nothing: the terminal is for the training."""


@contextmanager
def serve(folder: Path, port: int = 0) -> Iterator[str]:
    """The address of a page that shows the run in a folder until the block ends; on this machine only.

    port: 0 for any that is free. Raises DataError where it is taken.
    """
    try:
        server = ThreadingHTTPServer((HOST, port), partial(_Handler, folder))
    except OSError as error:
        raise DataError("--port", f"{port} cannot be used: {error.strerror}", "give another, or 0 for any") from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
