"""Times of a schedule."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
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
    zero: datetime
        The instant that the zero of the pipeline's clock stands for: for a virtual clock. Without it, the clock
        agrees with the system's when the source first runs.

    Raises
    ------
    ValueError
        The schedule is none, and which field of it cannot be read; or there is no such time zone.

    Examples
    --------
    >>> from datetime import datetime, timedelta, timezone, tzinfo
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> friday = datetime(2026, 3, 27, tzinfo=timezone.utc)
    >>> source = Stream.from_schedule("0 9 * * mon-fri", tz="Europe/Berlin", zero=friday, loop=clock)
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
        zero: datetime | None = None,
        **kwargs: Any,
    ) -> None:
        if zero is not None and (not isinstance(zero, datetime) or zero.tzinfo is None):
            raise ValueError(f"from_schedule: `zero` is a datetime with a time zone, not {zero!r}")
        self.schedule: str = schedule
        self.tz: str = tz
        since = None if zero is None else (zero - _EPOCH) // timedelta(microseconds=1)
        self._times = sources.schedule(schedule, tz, missed, since, partial(_to_datetime, _zone(tz)))
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit times until stopped."""
        await self._run_in_rust(self._times)


def _zone(name: str) -> tzinfo | None:
    """The time zone of a name, for Python; None for the system's, or for one that there is not."""
    if name == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return None if name == "local" else ZoneInfo(name)
    except ZoneInfoNotFoundError as error:
        try:
            sources.schedule("@daily", name, "skip", None, datetime.fromtimestamp)
        except ValueError:
            # The engine says so, with what else is wrong.
            return None
        raise ValueError(
            f"from_schedule: Python finds no time zone {name!r} on this system; `pip install tzdata` brings them all"
        ) from error
    except ValueError:
        return None


def _to_datetime(zone: tzinfo | None, microseconds: int) -> datetime:
    return (_EPOCH + timedelta(microseconds=microseconds)).astimezone(zone)
