"""Bodies that nobody has to read are refused before the login and before any route."""

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from anura_base.web.limits.bodies import MAX_BODY_BYTES

MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("headers", [FORM, MULTIPART, {"Content-Type": "application/json"}, {}])
@pytest.mark.parametrize("path", ["/login", "/invitation", "/logout", "/review/undo", "/no-such-page"])
def test_large_body_of_a_stranger_is_refused_unread(
    client_of: Callable[..., TestClient], path: str, headers: dict[str, str]
) -> None:
    """Also with a header for the CSRF token, because of which the form was not read before the route."""
    taken = []

    def body() -> Iterator[bytes]:
        for number in range(900):
            taken.append(number)
            yield b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n" + b"x" * 10_000 + b"\r\n"

    client = client_of(require_login=True)
    answer = client.post(path, content=body(), headers={**headers, "X-CSRF-Token": "0"})
    assert answer.status_code in (401, 403, 413)
    declared = client.post(path, content=b"x" * (MAX_BODY_BYTES + 1), headers={**headers, "X-CSRF-Token": "0"})
    assert declared.status_code == 413
    assert declared.headers["Connection"] == "close"


def test_large_form_is_refused_where_recordings_are_uploaded(client_of: Callable[..., TestClient]) -> None:
    """A visitor who is logged in may upload a large recording, but no large form, which would be read into memory."""
    answer = client_of().post("/explore/hear?name=a.wav", content=b"x" * (MAX_BODY_BYTES + 1), headers=FORM)
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 5_000, "٣"])
def test_absurd_length_of_a_body_is_refused(client_of: Callable[..., TestClient], length: str) -> None:
    answer = client_of().post("/login", content=b"", headers=[(b"content-length", length.encode())])
    assert answer.status_code == 413
