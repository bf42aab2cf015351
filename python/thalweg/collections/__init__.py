"""Streams of batches, handled as if they were one of them."""
