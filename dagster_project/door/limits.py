"""How many requests a caller may make: a bucket for each, which fills up again by the minute.

Reads and writes nothing; the buckets are memory of this process, and so many at most.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

MOST_CALLERS = 10_000


@dataclass
class _Bucket:
    left: float
    at: float


class Limits:
    """`per_minute` requests of each caller, all at once or spread."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._rate, self._clock = float(per_minute), per_minute / 60, clock
        self._buckets: dict[str, _Bucket] = {}

    def seconds_to_wait(self, caller: str) -> float:
        """Count a request; 0 where it may go on, else after how many seconds the next one may."""
        now = self._clock()
        bucket = self._buckets.pop(caller, None) or _Bucket(self._most, now)
        self._buckets[caller] = bucket  # the last in order is the last who asked
        bucket.left = min(self._most, bucket.left + (now - bucket.at) * self._rate)
        bucket.at = now
        while len(self._buckets) > MOST_CALLERS:
            del self._buckets[next(iter(self._buckets))]
        if bucket.left < 1:
            return (1 - bucket.left) / self._rate
        bucket.left -= 1
        return 0.0


def caller_of(address: str) -> str:
    """An IPv4 address, or the /64 an IPv6 address lies in: one household has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
