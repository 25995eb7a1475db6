"""The root of an API as a config gives it: what can be wrong with it, whether it is near, and what stands before it."""

import ipaddress
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

from promptrl.errors import Problem


def url_problems(url: str) -> Iterator[Problem]:
    """Yield what is wrong with the root of an API, without repeating any of it: it may hold a secret."""
    example = "example: http://localhost:11434/v1"
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        yield Problem("base_url", "is not a valid address", example)
        return
    if parts.scheme not in ("http", "https") or not has_host:
        yield Problem("base_url", "expected an http(s) address", example)
    elif parts.username is not None or parts.password is not None:
        yield Problem("base_url", "must not contain a user or password", "use api_key_env or headers")
    elif parts.query or parts.fragment:
        hint = "what follows the ? goes into target.query, a key into api_key_env or headers"
        yield Problem("base_url", "has a query or fragment, expected the API's root", hint)
    elif parts.path.rstrip("/").endswith(("/completions", "/responses", "/embeddings", "/models")):
        yield Problem("base_url", "is the address of one method, expected the API's root", "end it before that: .../v1")


def is_local(base_url: str) -> bool:
    """Whether the URL names this machine, its private network or a host without a domain: such servers need no key."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))


def proxy_of(base_url: str) -> str | None:
    """The environment variable whose proxy stands before this address; None when none does."""
    parts = urlsplit(base_url)
    proxies = urllib.request.getproxies()
    kind = next((kind for kind in (parts.scheme, "all") if kind in proxies), None)
    if kind is None or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return f"{kind.upper()}_PROXY"
