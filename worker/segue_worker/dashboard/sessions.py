"""Who is signed in: checking the token, the session cookie, and the CSRF token that belongs to it."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from itsdangerous import BadSignature, URLSafeTimedSerializer

COOKIE: Final = "segue_session"
SESSION_S: Final = 12 * 3600
SHORTEST_TOKEN: Final = 16


@dataclass(frozen=True, slots=True)
class Session:
    """One browser.

    Attributes:
        id: random.
        signed_in: whether the token was given. A session begins before that, so that the sign-in form has a CSRF token.
    """

    id: str
    signed_in: bool


class Sessions:
    """Begins, recognises and ends sessions.

    Each process makes its own signing key. So nothing that a browser is given helps to guess the token, and a restart
    signs everybody out.

    Args:
        token: the secret with which people sign in; at least 16 characters.
        clock: unix seconds.

    Raises:
        ValueError: the token is too short.
    """

    def __init__(self, token: str, *, clock: Callable[[], float] = time.time) -> None:
        if len(token) < SHORTEST_TOKEN:
            raise ValueError(f"the token has fewer than {SHORTEST_TOKEN} characters")
        self._key = secrets.token_bytes(32)
        self._token = self._digest("token", token)
        self._signer = URLSafeTimedSerializer(
            self._key, salt="segue session", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )
        self._clock = clock
        self._ended: dict[str, float] = {}
        self._lock = threading.Lock()

    def is_token(self, given: str) -> bool:
        """Whether this is the token. The comparison takes the same time for every text, so it tells nothing about it."""
        return hmac.compare_digest(self._digest("token", given), self._token)

    @staticmethod
    def begin(*, signed_in: bool) -> Session:
        """A new session."""
        return Session(secrets.token_urlsafe(18), signed_in)

    def write(self, session: Session) -> str:
        """The session as a cookie's value."""
        return str(self._signer.dumps([session.id, session.signed_in]))

    def read(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None where there is none, or it is forged, too old or ended."""
        if not cookie:
            return None
        try:
            name, signed_in = self._signer.loads(cookie, max_age=SESSION_S)
        except BadSignature:
            return None
        return None if name in self._ended else Session(name, signed_in)

    def end(self, session: Session) -> None:
        """End a session: its cookie is no longer accepted."""
        now = self._clock()
        with self._lock:
            self._ended = {name: at for name, at in self._ended.items() if at > now - SESSION_S}
            self._ended[session.id] = now

    def csrf_token(self, session: Session) -> str:
        """The token that each form of the session carries."""
        return self._digest("csrf", session.id)

    def is_csrf_token(self, session: Session, given: str) -> bool:
        """Whether this is the session's CSRF token."""
        return hmac.compare_digest(self.csrf_token(session), given.encode("ascii", "replace").decode())

    def handle(self, destination: str, contact: str) -> str:
        """A name for a contact that reveals nothing about it, for the addresses of pages."""
        return self._digest("contact", f"{destination}\0{contact}")[:32]

    def _digest(self, purpose: str, text: str) -> str:
        data = f"{purpose}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, data, hashlib.sha256).hexdigest()
