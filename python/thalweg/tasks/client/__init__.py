"""The client, its futures, and inspection of its workers."""
