"""Streams of batches that have the methods of a batch."""
