"""What the dashboard asks Python for."""

from thalweg.view.observed import describe_failure, engines, pipelines

__all__ = ["describe_failure", "engines", "pipelines"]
