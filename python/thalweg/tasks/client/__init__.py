"""The client, its futures, and what it knows about its workers."""
