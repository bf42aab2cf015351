"""Names that futures use where they are awaited, named or pickled."""

from thalweg.tasks.client.awaiting import Done, client, exception, named, outcome, result, traceback, type_of
from thalweg.tasks.process.lending import reduce

__all__ = ["Done", "client", "exception", "named", "outcome", "reduce", "result", "traceback", "type_of"]
