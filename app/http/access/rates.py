"""How often a caller may ask, and how often an address may guess a key."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from time import time

import structlog
from limits import RateLimitItem, parse, parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from heedmap.app.errors import RateLimited

WRONG_KEYS = parse("20/minute")  # of an address: more than anybody mistypes, too few to guess with
IPV6_NETWORK = 64  # bits: who has one address of such a network has them all

log = structlog.get_logger("heedmap")


class Rates:
    """Counts what callers ask; `default` is the rate of those who have none of their own."""

    def __init__(self, default: str | None) -> None:
        self.default = default
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, caller: str, rate: str | None) -> None:
        """One more request.

        Raises:
            RateLimited: it is over the caller's rate.
        """
        for item in _parsed(rate or self.default):
            if not self.limiter.hit(item, "caller", caller):
                raise self._refusal(f"at most {item} are answered", item, "caller", caller)

    def check_guesses(self, address: str) -> None:
        """Whether keys of this address are still looked at.

        Raises:
            RateLimited: too many were wrong.
        """
        if not self.limiter.test(WRONG_KEYS, "wrong key", address):
            detail = f"more than {WRONG_KEYS} of API keys from this address were wrong; wait, then send the right one"
            raise self._refusal(detail, WRONG_KEYS, "wrong key", address)

    def count_guess(self, address: str) -> None:
        """One more wrong key; the last that is looked at is logged."""
        self.limiter.hit(WRONG_KEYS, "wrong key", address)
        if not self.limiter.test(WRONG_KEYS, "wrong key", address):
            advice = "where this is a proxy, name it in HEEDMAP_PROXIES: its callers are then told apart"
            log.warning("wrong_keys_limited", address=address, advice=advice)

    def _refusal(self, detail: str, item: RateLimitItem, *who: str) -> RateLimited:
        wait = max(1, round(self.limiter.get_window_stats(item, *who).reset_time - time() + 0.5))
        return RateLimited(detail, headers={"Retry-After": str(wait)})


def network_of(address: str) -> str:
    """What is counted as one address: an IPv4 address, or the network of an IPv6 address."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address  # a socket that is no address
    if not isinstance(ip, IPv6Address):
        return address
    mapped = ip.ipv4_mapped
    return str(mapped) if mapped is not None else str(ip_network((int(ip), IPV6_NETWORK), strict=False))


@lru_cache(maxsize=256)
def _parsed(rate: str | None) -> tuple[RateLimitItem, ...]:
    return tuple(parse_many(rate)) if rate else ()
