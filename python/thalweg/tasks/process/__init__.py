"""Worker processes: how they start, what they ask of their parent, and what goes to and from them."""
