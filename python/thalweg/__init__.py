"""Pipelines over continuous streams of data."""

from thalweg._thalweg import __version__

__all__ = ["__version__"]
