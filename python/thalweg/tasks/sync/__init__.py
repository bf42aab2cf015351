"""Locks, events, semaphores, queues and variables shared by tasks."""
