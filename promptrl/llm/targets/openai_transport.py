"""The HTTP client beneath the ``openai`` client: it goes to no other origin, and reads what it gets as UTF-8."""

import contextlib
from typing import Any
from urllib.parse import urljoin, urlsplit

import openai

_PORTS = {"http": 80, "https": 443}


class RedirectedError(openai.OpenAIError):
    """A server sends on to another origin; of this type so that the ``openai`` client lets it pass.

    Args:
        status: The HTTP status.
        origin: Where to, without path and query.
    """

    def __init__(self, status: int, origin: str) -> None:
        super().__init__(f"{status}: redirected to {origin}")
        self.status = status
        self.origin = origin


def make_http_client(timeout_s: float) -> openai.DefaultAsyncHttpxClient:
    """A client that follows redirects within one origin only."""
    return openai.DefaultAsyncHttpxClient(
        timeout=timeout_s, follow_redirects=True, event_hooks={"response": [_stay, _read]}
    )


async def _stay(response: Any) -> None:
    """Refuse to be sent to another origin.

    Raises:
        RedirectedError: That is what the server wants.
    """
    if not response.has_redirect_location:
        return
    came_from = str(response.request.url)
    target = urljoin(came_from, response.headers["location"])
    try:
        is_same = _origin(target) == _origin(came_from)
    except ValueError:  # an address that nobody can read
        is_same, target = False, "an address that can't be read"
    if not is_same:
        parts = urlsplit(target)
        raise RedirectedError(response.status_code, f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")


async def _read(response: Any) -> None:
    """Read the whole body and make sure that it can be decoded: JSON is UTF-8, whatever a header calls it."""
    content = await response.aread()
    with contextlib.suppress(UnicodeDecodeError):
        content.decode("utf-8")
        response.encoding = "utf-8"
        return
    try:
        content.decode(response.encoding or "utf-8", "replace")
    except (LookupError, ValueError):  # no encoding of text, or one that takes no part of it
        response.encoding = "utf-8"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
