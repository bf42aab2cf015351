"""Live readings of several rooms as a data frame: the mean of each room's last minute."""

from __future__ import annotations

import pandas as pd

from thalweg import Stream

READINGS = [
    ("2026-03-01 10:00:00", "kitchen", 19.0),
    ("2026-03-01 10:00:00", "hall", 17.0),
    ("2026-03-01 10:00:30", "kitchen", 21.0),
    ("2026-03-01 10:01:10", "kitchen", 23.0),
    ("2026-03-01 10:01:10", "hall", 15.0),
]


def frame(readings: list[tuple[str, str, float]]) -> pd.DataFrame:
    """Return readings as a frame, by time."""
    times, rooms, degrees = zip(*readings, strict=True)
    return pd.DataFrame({"room": rooms, "celsius": degrees}, index=pd.to_datetime(times))


def main() -> None:
    """Send the readings in order of time."""
    readings = Stream()
    rooms = readings.to_dataframe(example=frame(READINGS[:1]))
    means = rooms.window("60s").groupby("room").celsius.mean().stream
    means.sink(lambda mean: print(mean.round(2).to_dict()))
    for at in sorted({reading[0] for reading in READINGS}):
        readings.emit(frame([reading for reading in READINGS if reading[0] == at]))
    readings.drain()


if __name__ == "__main__":
    main()
