"""Serves the explorer on this machine alone: the recordings that were named, and what its page sends; no other file."""

import ipaddress
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

from anura_edge.config.device import Config
from anura_edge.errors import AnuraError, ConfigError
from anura_edge.explore.hearing import Explorer, Hearing
from anura_edge.explore.page import STATIC, WAVESURFER_STYLE, content, head
from anura_edge.explore.upload import MAX_BYTES, Upload, check_size, status_of
from anura_edge.sources.files.scan import printable

log = logging.getLogger(__name__)

PIECE = 2**20

HEADERS = {
    "Content-Security-Policy": f"default-src 'self'; style-src 'self' {WAVESURFER_STYLE}; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class ExploreServer(ThreadingHTTPServer):
    """A web server on loopback."""

    daemon_threads = True

    def __init__(self, explorer: Explorer, recordings: Sequence[Path], folder: Path, port: int) -> None:
        """Listen on a port of 127.0.0.1, 0 for any that is free; keep what is sent in a folder, while it is heard.

        Raises ConfigError if the port cannot be had.
        """
        self.explorer, self.recordings, self.folder = explorer, recordings, folder
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"cannot listen on port {port}: {error}; choose another, or leave out --port") from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, _request: object, client_address: object) -> None:
        """Note that a request went wrong, as when a browser goes away in the middle of an answer."""
        log.debug("a request of %s broke off", client_address, exc_info=True)


def serve(config: Config, recordings: Sequence[Path], port: int, stop: Event, ready: Callable[[str], None]) -> None:
    """Serve until told to stop; `ready` is called once, with the page's address.

    Raises ModelError or ConfigError when that cannot begin.
    """
    explorer = Explorer(config)
    # A folder around those of what is sent, because a thread that has one may not come to its end.
    with (
        TemporaryDirectory(prefix="anura-explore-") as folder,
        ExploreServer(explorer, recordings, Path(folder), port) as server,
    ):
        thread = Thread(target=server.serve_forever, name="explore")
        thread.start()
        ready(server.url)
        stop.wait()
        server.shutdown()
        thread.join()


class _RefusedError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: ExploreServer
    timeout = 60
    """In seconds: who sends nothing for so long is gone."""

    def do_GET(self) -> None:
        self._guarded(self._get)

    def do_POST(self) -> None:
        self._guarded(self._hear)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002
        log.debug(format, *values)

    def _guarded(self, answer: Callable[[], None]) -> None:
        length = self.headers.get("Content-Length", "0")
        self._unread = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else 0
        try:
            self._check_asker()
            answer()
        except _RefusedError as error:
            if self._unread <= MAX_BYTES:  # a browser that is still sending would not look at the answer
                with suppress(_RefusedError):
                    deque(self._body(), maxlen=0)
            self._refuse(error.status, str(error))

    def _check_asker(self) -> None:
        """Refuse whoever is not our own page in a browser at this machine."""
        if not _is_loopback(self.headers.get("Host", "")):
            # A page on the internet could make its own name point to 127.0.0.1 (DNS rebinding).
            raise _RefusedError(403, "the explorer answers to 127.0.0.1 and localhost alone")
        if self.command == "POST" and self._is_foreign():
            raise _RefusedError(403, "this request comes from another site's page; open the explorer's own")

    def _is_foreign(self) -> bool:
        if site := self.headers.get("Sec-Fetch-Site"):
            return site not in ("same-origin", "none")
        origin = self.headers.get("Origin")
        return origin is not None and urlsplit(origin).netloc != self.headers.get("Host")

    def _get(self) -> None:
        path = urlsplit(self.path).path
        if path == "/":
            self._send(_page().encode(), "text/html; charset=utf-8")
        elif path == "/explore/recordings":
            self._send(json.dumps(self._about()).encode(), "application/json")
        elif (file := _static(path)) is not None:
            self._send(file.read_bytes(), guess_type(file.name)[0] or "text/plain")
        else:
            raise _RefusedError(404, "there is nothing here; the explorer's page is /")

    def _about(self) -> dict[str, object]:
        known = [{"id": number, "name": printable(Path(path.name))} for number, path in self._recordings().items()]
        begin = known[0]["id"] if known else None
        return {"recordings": known, "begin": begin, "max_bytes": MAX_BYTES, "refusal": None}

    def _recordings(self) -> dict[str, Path]:
        return {str(number): path for number, path in enumerate(self.server.recordings)}

    def _hear(self) -> None:
        url = urlsplit(self.path)
        if url.path != "/explore/hear":
            raise _RefusedError(404, "there is nothing here; send recordings to /explore/hear")
        asked = {key: values[0] for key, values in parse_qs(url.query).items()}
        try:
            with self.server.explorer.place():
                self._send_parts(self._heard(asked))
        except AnuraError as error:
            raise _RefusedError(status_of(error), str(error)) from error

    def _heard(self, asked: Mapping[str, str]) -> Hearing:
        window_s, hop_s = (_seconds(asked, key) for key in ("window_s", "hop_s"))
        if "recording" in asked:
            path = self._recording(asked["recording"])
            return self.server.explorer.hear(path, printable(Path(path.name)), window_s, hop_s)
        check_size(self._unread)
        with Upload(asked.get("name", ""), self.server.folder) as upload:
            for piece in self._body():
                upload.write(piece)
            return self.server.explorer.hear(upload.path, upload.name, window_s, hop_s)

    def _recording(self, number: str) -> Path:
        known = self._recordings()
        if number not in known:
            raise _RefusedError(404, f"there is no recording {number[:20]!r}; reload the page")
        return known[number]

    def _body(self) -> Iterator[bytes]:
        while self._unread:
            piece = self.rfile.read(min(self._unread, PIECE))
            if not piece:
                raise _RefusedError(400, "the recording broke off while it was sent")
            self._unread -= len(piece)
            yield piece

    def _send_parts(self, hearing: Hearing) -> None:
        parts = hearing.parts()
        self._begin(HTTPStatus.OK, "application/octet-stream", sum(map(len, parts)))
        for part in parts:
            self.wfile.write(part)

    def _send(self, body: bytes, kind: str, status: int = HTTPStatus.OK) -> None:
        self._begin(status, kind, len(body))
        self.wfile.write(body)

    def _begin(self, status: int, kind: str, length: int) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _refuse(self, status: int, detail: str) -> None:
        said = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
        self._send(json.dumps(said).encode(), "application/problem+json", status)


def _seconds(asked: Mapping[str, str], key: str) -> float | None:
    if key not in asked:
        return None
    try:
        return float(asked[key])
    except ValueError as error:
        raise _RefusedError(422, f"{key}: {asked[key][:20]!r} is no number of seconds") from error


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _static(path: str) -> Path | None:
    """Return the file behind a path, None where there is none: only what lies in our own folder."""
    there = {f"/static/explore/{file.relative_to(STATIC)}": file for file in STATIC.rglob("*") if file.is_file()}
    return there.get(path)


def _page() -> str:
    text = (STATIC / "frame.html").read_text(encoding="utf-8")
    return text.replace("{head}", head("")).replace("{content}", content("", ""))
