"""Streams: the class, and the parts common to all nodes."""

from thalweg.stream.downstreams import Downstreams
from thalweg.stream.inspection import no_default
from thalweg.stream.node import Stream
from thalweg.stream.registry import APIRegisterMixin, identity

__all__ = ["APIRegisterMixin", "Downstreams", "Stream", "identity", "no_default"]
