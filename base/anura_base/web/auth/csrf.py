"""Check of the CSRF token of a request, in its header or in its form."""

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.types import Message, Receive

from anura_base.access import secret
from anura_base.web.auth.visitor import csrf_token
from anura_base.web.limits.bodies import is_form


class RefusedError(Exception):
    """A request is refused with an HTTP status and a reason."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


async def check_csrf_token(request: Request, receive: Receive) -> Receive:
    """Check the token in the header or in the form. Return a `receive` with which the route can read the form again.

    Raises RefusedError if the token is missing or wrong.
    """
    sent = request.headers.get("x-csrf-token")
    if sent is None and is_form(request):
        form = await _read_form(receive)
        sent = parse_qs(form.decode(errors="replace")).get("csrf_token", [""])[0]
        receive = _replay(form, receive)
    if not secret.equal(sent or "", csrf_token(request)):
        raise RefusedError(403, "this page is out of date: reload it, and send the form again")
    return receive


async def _read_form(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RefusedError(400, "the connection was closed; send the form again")
        body += message.get("body", b"")  # `limits.bodies` limits its size
        if not message.get("more_body"):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that yields the body first."""
    replayed = False

    async def receive_again() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
