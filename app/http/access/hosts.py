"""Under which names the service is asked, and from which pages.

A page of elsewhere whose name is made to lead to this machine (DNS rebinding) sends that name as Host; a page of
elsewhere that posts here sends its own address as Origin. Both are refused; who sends neither is no browser.
"""

import re
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from heedmap.app.errors import Forbidden, Misdirected
from heedmap.app.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "::1")  # names that no other host's page can be made to have
SAFE = ("GET", "HEAD", "OPTIONS")  # methods that change nothing (RFC 9110, section 9.2.1)
HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d{0,5})?", re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is this machine's alone."""
    try:
        addresses = {str(each[4][0]).partition("%")[0] for each in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return bool(addresses) and all(ip_address(address).is_loopback for address in addresses)


class Hosts:
    """The names that are answered: those of the settings; of this machine alone where it alone can ask; else all."""

    def __init__(self, settings: Settings) -> None:
        names = {*LOOPBACK, settings.host.lower(), *settings.hosts}
        self.every = "*" in settings.hosts or (not settings.hosts and not is_loopback(settings.host))
        self.names = frozenset(name for name in names if "*" not in name)
        self.endings = tuple(name[1:] for name in names if name.startswith("*."))
        self.origins = frozenset(settings.origins)

    def check_host(self, headers: Headers) -> None:
        """Whether the service is meant.

        Raises:
            Misdirected: the request names another host, several, or none.
        """
        if self.every:
            return
        sent = headers.getlist("host")
        match = HOST.fullmatch(sent[0]) if len(sent) == 1 else None
        name = "" if match is None else (match["v6"] or match["name"]).lower().rstrip(".")
        if not name or (name not in self.names and not name.endswith(self.endings)):
            raise Misdirected(
                f"this service does not answer as {', '.join(sent)[:100] or 'a host without a name'}; its operator "
                "names the hosts it is known by in HEEDMAP_HOSTS"
            )

    def check_origin(self, method: str, headers: Headers) -> None:
        """Whether it is one of our own pages, a named one, or no page at all that asks for a change.

        The order is that of Go's net/http.CrossOriginProtection: browsers send Sec-Fetch-Site to https and localhost
        alone, and Origin with every post.

        Raises:
            Forbidden: a page of elsewhere asks.
        """
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if method in SAFE or origin in self.origins or "*" in self.origins:
            return
        if site in ("same-origin", "none") or (site is None and origin is None):
            return
        if site is None and origin is not None and urlsplit(origin).netloc.lower() == headers.get("host", "").lower():
            return
        raise Forbidden(
            f"a page of {(origin or 'another site')[:100]} may not do this here; the service's operator names the "
            "origins that may in HEEDMAP_ORIGINS"
        )
