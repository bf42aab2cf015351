"""Worker processes: start, requests to the parent, and pickling."""
