"""HTTP requests and responses, as elements."""

from thalweg.http.request import HttpRequest
from thalweg.http.response import HttpResponse

__all__ = ["HttpRequest", "HttpResponse"]
