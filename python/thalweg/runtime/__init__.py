"""Event loops, clocks, and how pipelines and programs end."""
