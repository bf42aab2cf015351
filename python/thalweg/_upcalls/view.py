"""What the dashboard, and progress, ask Python for."""

from thalweg.view.control import control
from thalweg.view.observed import describe_element, describe_failure, engines, pipelines
from thalweg.view.progress import of_elements

__all__ = ["control", "describe_element", "describe_failure", "engines", "of_elements", "pipelines"]
