"""Which web pages may send.

Browsers ask before most requests, and CORS answers them. They do not ask before a POST of `text/plain`, which is what SDKs in
pages send, so the server looks at the page's origin itself.
"""

from collections.abc import Collection
from urllib.parse import urlsplit


class Origins:
    """The web origins whose pages may send.

    Args:
        allowed: as `https://www.example.com`, or `*` for all.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = {origin.rstrip("/").lower() for origin in allowed}

    def let_in(self, origin: str, host: str) -> bool:
        """Whether a request may come in.

        Args:
            origin: its header Origin, which only browsers send; "" where there is none.
            host: its header Host. A page of the same host may always send.
        """
        if not origin or "*" in self._allowed or origin.lower() in self._allowed:
            return True
        try:
            return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:
            return False
