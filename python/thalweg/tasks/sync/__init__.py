"""Locks, events, semaphores, queues and variables that tasks share."""
