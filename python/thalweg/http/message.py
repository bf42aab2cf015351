"""The body of requests and responses."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Message:
    """A request or a response: its body as text or JSON."""

    __slots__ = ("body",)

    body: bytes

    def text(self) -> str:
        """Return the body as text; invalid UTF-8 becomes U+FFFD.

        Examples
        --------
        >>> from thalweg.http import HttpResponse
        >>> HttpResponse("Grüße").text()
        'Grüße'
        """
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Parse the body as JSON.

        Raises
        ------
        json.JSONDecodeError
            It is not JSON.

        Examples
        --------
        >>> from thalweg.http import HttpResponse
        >>> HttpResponse("[20.5, 20.7]").json()
        [20.5, 20.7]
        """
        import json

        return json.loads(self.body)
