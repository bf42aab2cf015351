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
    from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@Stream.register_api(staticmethod)
class from_schedule(Source[datetime]):
    """Emit the times of a schedule, each when it is due, as a `datetime` with its time zone.

    Parameters
    ----------
    schedule: str
        A cron expression of five fields (minute, hour, day of the month, month, day of the week), such as ``"*/5 9-17 *
        * mon-fri"``, of six with seconds first, a name such as ``"@daily"``, or an interval such as ``"30s"``, which
        starts at once.
    tz: str or ZoneInfo
        The time zone of the fields: a name such as ``"Europe/Berlin"``, or ``"local"`` for the system's. A fixed time
        matches once a day: when daylight saving skips it, at the moment of the shift; when it occurs twice, the first
        time. With ``*`` for seconds, minutes or hours, times that do not exist are skipped, and those that occur twice
        match twice.
    missed: "skip", "once" or "all"
        How to handle times that pass while the pipeline is busy or the source is stopped: skip them, emit the last one
        only, or emit all.
    zero: datetime
        The instant of the zero of the pipeline's clock: for a virtual clock. By default the clock is set to the
        system's time when the source first runs.

    Raises
    ------
    ValueError
        The schedule is invalid (the error names the field), or the time zone is unknown.

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
        tz: str | ZoneInfo = "UTC",
        *,
        missed: Literal["skip", "once", "all"] = "skip",
        zero: datetime | None = None,
        **kwargs: Any,
    ) -> None:
        if zero is not None and (not isinstance(zero, datetime) or zero.tzinfo is None):
            raise ValueError(f"from_schedule: `zero` is a datetime with a time zone, not {zero!r}")
        if not isinstance(schedule, str):
            raise TypeError(f"from_schedule: `schedule` is text such as '@daily' or '30s', not {schedule!r}")
        tz = _name(tz)
        self.schedule: str = schedule
        self.tz: str = tz
        since = None if zero is None else (zero - _EPOCH) // timedelta(microseconds=1)
        self._times = sources.schedule(schedule, tz, missed, since, partial(_to_datetime, _zone(tz)))
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit times until stopped."""
        await self._run_in_rust(self._times)


def _name(tz: Any) -> str:
    """The name of a time zone."""
    name = tz if isinstance(tz, str) else "UTC" if tz is timezone.utc else getattr(tz, "key", None)
    if not isinstance(name, str):
        raise TypeError(f"from_schedule: `tz` is the name of a time zone, or a ZoneInfo with one, not {tz!r}")
    return name


def _zone(name: str) -> tzinfo | None:
    """The time zone as Python's; None for the system's, or for an unknown one."""
    if name == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return None if name == "local" else ZoneInfo(name)
    except ZoneInfoNotFoundError as error:
        try:
            sources.schedule("@daily", name, "skip", None, datetime.fromtimestamp)
        except ValueError:
            # The engine reports it, with other errors.
            return None
        raise ValueError(
            f"from_schedule: Python finds no time zone {name!r} on this system; `pip install tzdata` brings them all"
        ) from error
    except (ValueError, OSError):
        # The engine reports that it is no name.
        return None


def _to_datetime(zone: tzinfo | None, microseconds: int) -> datetime:
    return (_EPOCH + timedelta(microseconds=microseconds)).astimezone(zone)
