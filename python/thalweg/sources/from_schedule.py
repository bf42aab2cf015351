"""Times of a schedule."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import partial

from thalweg._thalweg import sources
from thalweg.sources.source import Source
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@Stream.register_api(staticmethod)
class from_schedule(Source[datetime]):
    """Emit the times of a schedule, each when it has come, as a `datetime` with its time zone.

    Parameters
    ----------
    schedule: str
        A cron expression of five fields (minute, hour, day of the month, month, day of the week), such as
        ``"*/5 9-17 * * mon-fri"``, of six with seconds first, a name such as ``"@daily"``, or an interval such as
        ``"30s"``, which begins at once.
    tz: str
        The time zone whose clocks are meant, ``"Europe/Berlin"`` say, or ``"local"`` for the system's. Where clocks are
        moved for daylight saving, named hours and minutes come once a day: if they do not exist, when the clocks
        are moved, and if they come twice, the first time. With a ``*`` for seconds, minutes or hours, times that do
        not exist are left out, and those that come twice come twice.
    missed: "skip", "once" or "all"
        What becomes of times that go by while the pipeline is busy or the source is stopped: they are left out, the
        last of them is emitted, or all of them are.
    start: datetime, optional
        The instant that the zero of the pipeline's clock stands for: for a virtual clock. Without it, the clock
        agrees with the system's when the source first runs.

    Examples
    --------
    >>> from datetime import datetime, timezone
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> friday = datetime(2026, 3, 27, tzinfo=timezone.utc)
    >>> source = Stream.from_schedule("0 9 * * mon-fri", tz="Europe/Berlin", start=friday, loop=clock)
    >>> L = source.map(str).sink_to_list()
    >>> source.start()
    >>> clock.advance("4 days")
    >>> L
    ['2026-03-27 09:00:00+01:00', '2026-03-30 09:00:00+02:00']
    """

    def __init__(
        self,
        schedule: str,
        tz: str = "UTC",
        *,
        missed: Literal["skip", "once", "all"] = "skip",
        start: datetime | bool | None = None,
        **kwargs: Any,
    ) -> None:
        zero: int | None = None
        if isinstance(start, datetime):
            if start.tzinfo is None:
                raise ValueError(f"from_schedule: `start` has no time zone: {start}; give it a `tzinfo`")
            zero = (start - _EPOCH) // timedelta(microseconds=1)
        self.schedule: str = schedule
        self.tz: str = tz
        self._times = sources.schedule(schedule, tz, missed, zero, partial(_to_datetime, tz))
        _to_datetime(tz, 0)
        super().__init__(start=start is True, **kwargs)

    async def run(self) -> None:
        """Emit times until stopped."""
        await self._run_in_rust(self._times)


def _to_datetime(tz: str, microseconds: int) -> datetime:
    time = _EPOCH + timedelta(microseconds=microseconds)
    if tz == "UTC":
        return time
    if tz == "local":
        return time.astimezone()
    from zoneinfo import ZoneInfo

    return time.astimezone(ZoneInfo(tz))
