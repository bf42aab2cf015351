"""The engine."""

__version__: str
