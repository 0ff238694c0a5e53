"""How long requests are under way at least, during which a budget need not wait."""

from __future__ import annotations

FASTEST_SECONDS = 60.0
"""For how long the fastest response is remembered; a round trip that has become slower is then measured anew."""

SECONDS_BEFORE = 3
"""In how many different seconds responses must have come before the fastest is taken for nothing but the round trip."""


class RoundTrip:
    """The way to the API and back, as the fastest response of late shows it, in `seconds`.

    A response says by when a request was counted, which was earlier by the way back; and a request that is sent now is
    counted later by the way there. So a call may be sent earlier by both. What comes with the first responses may have
    waited as a whole, for an API or a machine that is only just at work, and is not taken for the round trip.
    """

    def __init__(self) -> None:
        self._fastest = [float("inf"), float("inf")]
        self._since: float | None = None
        self._seconds_seen: set[int] = set()

    def measure(self, now: float, took: float) -> None:
        """Take note of a response that comes now and took so many seconds."""
        if self._since is None:
            self._since = now
        if now - self._since > FASTEST_SECONDS:
            self._fastest, self._since = [float("inf"), self._fastest[0]], now
        if len(self._seconds_seen) <= SECONDS_BEFORE:
            self._seconds_seen.add(int(now))
        self._fastest[0] = min(self._fastest[0], took)

    @property
    def seconds(self) -> float:
        return min(self._fastest) if len(self._seconds_seen) > SECONDS_BEFORE else 0.0
