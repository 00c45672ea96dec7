"""Serve the explorer to this machine only. It analyses the named recordings and uploads, and reads no other file."""

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
from anura_edge.demo.card import EXAMPLE_CLIP
from anura_edge.errors import AnuraError, ConfigError
from anura_edge.explore.analysis import Analysis, Explorer
from anura_edge.explore.page import STATIC, WAVESURFER_STYLE, content, head
from anura_edge.explore.upload import MAX_BYTES, Upload, check_size, status_of
from anura_edge.inference.loading import load_model
from anura_edge.sources.files.scan import printable
from anura_edge.updates.active import active_settings

log = logging.getLogger(__name__)

READ_BYTES = 2**20

EXAMPLE = "example"
"""In requests, the number of the recording that an empty page offers."""

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
        """Listen on 127.0.0.1. Port 0 chooses a free port. Uploads are stored in `folder` while they are analysed.

        Raises ConfigError if the port cannot be used.
        """
        self.explorer, self.recordings, self.folder = explorer, recordings, folder
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"cannot listen on port {port}: {error}; choose another, or omit --port") from error

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, _request: object, client_address: object) -> None:
        """Log a failed request, for example of a browser that closed the connection."""
        log.debug("a request from %s failed", client_address, exc_info=True)


def serve(config: Config, recordings: Sequence[Path], port: int, stop: Event, ready: Callable[[str], None]) -> None:
    """Serve until `stop` is set. `ready` is called once, with the page's address.

    Raises ModelError or ConfigError if the server cannot start.
    """
    explorer = Explorer(*load_model(active_settings(config), config.engines_path), config.detect, config.audio)
    # The uploads' folders are inside this one, because a request's thread may not reach its end.
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
    """A request that is answered with an HTTP error status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: ExploreServer
    timeout = 60
    """In seconds. A client that sends nothing for this long is disconnected."""

    def do_GET(self) -> None:
        self._handle(self._get)

    def do_POST(self) -> None:
        self._handle(self._analyse)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002
        log.debug(format, *values)

    def _handle(self, respond: Callable[[], None]) -> None:
        length = self.headers.get("Content-Length", "0")
        self._unread = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else 0
        try:
            self._check_client()
            respond()
        except _RefusedError as error:
            if self._unread <= MAX_BYTES:  # a browser reads the response only after it has sent the whole body
                with suppress(_RefusedError):
                    deque(self._body(), maxlen=0)
            self._refuse(error.status, str(error))

    def _check_client(self) -> None:
        """Refuse requests from other machines and from other sites' pages."""
        if not _is_loopback(self.headers.get("Host", "")):
            # The name of a site on the internet can be made to point to 127.0.0.1 (DNS rebinding).
            raise _RefusedError(403, "the explorer answers only at 127.0.0.1 and localhost")
        if self.command == "POST" and self._is_foreign():
            raise _RefusedError(403, "this request comes from another site's page; open the explorer's own")

    def _is_foreign(self) -> bool:
        """Tell whether the request comes from another site's page."""
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
            raise _RefusedError(404, "no such page; the explorer's page is /")

    def _about(self) -> dict[str, object]:
        entries = [{"id": number, "name": printable(Path(path.name))} for number, path in self._recordings().items()]
        begin = entries[0]["id"] if entries else None
        return {
            "recordings": entries,
            "begin": begin,
            "example": None if entries else EXAMPLE,
            "max_bytes": MAX_BYTES,
            "refusal": None,
        }

    def _recordings(self) -> dict[str, Path]:
        return {str(number): path for number, path in enumerate(self.server.recordings)}

    def _analyse(self) -> None:
        url = urlsplit(self.path)
        if url.path != "/explore/hear":
            raise _RefusedError(404, "no such page; send recordings to /explore/hear")
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        try:
            with self.server.explorer.slot():
                self._send_parts(self._analysis(query))
        except AnuraError as error:
            raise _RefusedError(status_of(error), str(error)) from error

    def _analysis(self, query: Mapping[str, str]) -> Analysis:
        window_s, hop_s = (_seconds(query, key) for key in ("window_s", "hop_s"))
        if "recording" in query:
            path = self._recording(query["recording"])
            return self.server.explorer.analyse(path, printable(Path(path.name)), window_s, hop_s)
        check_size(self._unread)
        with Upload(query.get("name", ""), self.server.folder) as upload:
            for data in self._body():
                upload.write(data)
            return self.server.explorer.analyse(upload.path, upload.name, window_s, hop_s)

    def _recording(self, number: str) -> Path:
        if number == EXAMPLE:
            return EXAMPLE_CLIP
        recordings = self._recordings()
        if number not in recordings:
            raise _RefusedError(404, f"no recording {number[:20]!r}; reload the page")
        return recordings[number]

    def _body(self) -> Iterator[bytes]:
        while self._unread:
            data = self.rfile.read(min(self._unread, READ_BYTES))
            if not data:
                raise _RefusedError(400, "the upload ended before its last byte; send it again")
            self._unread -= len(data)
            yield data

    def _send_parts(self, analysis: Analysis) -> None:
        parts = analysis.parts()
        self._send_head(HTTPStatus.OK, "application/octet-stream", sum(map(len, parts)))
        for part in parts:
            self.wfile.write(part)

    def _send(self, body: bytes, content_type: str, status: int = HTTPStatus.OK) -> None:
        self._send_head(status, content_type, len(body))
        self.wfile.write(body)

    def _send_head(self, status: int, content_type: str, length: int) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _refuse(self, status: int, detail: str) -> None:
        problem = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
        self._send(json.dumps(problem).encode(), "application/problem+json", status)


def _seconds(query: Mapping[str, str], key: str) -> float | None:
    if key not in query:
        return None
    try:
        return float(query[key])
    except ValueError as error:
        raise _RefusedError(422, f"{key}: {query[key][:20]!r} is not a number of seconds") from error


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _static(path: str) -> Path | None:
    """Return the static file for a path, or None. No file outside the static folder can be reached."""
    files = {f"/static/explore/{file.relative_to(STATIC)}": file for file in STATIC.rglob("*") if file.is_file()}
    return files.get(path)


def _page() -> str:
    text = (STATIC / "layout.html").read_text(encoding="utf-8")
    return text.replace("{head}", head("")).replace("{content}", content("", ""))
