"""API keys and the teams they belong to (docs/loops.md#keys-paths-and-transport)."""

from collections.abc import Iterable

OPEN_PREFIX = "sandbox-"
DEFAULT_TEAM = "sandbox"
_SCHEME = "Bearer "


class KeyRing:
    """Which key belongs to which team.

    If keys are given, as `KEY` or `KEY=TEAM`, only those are accepted. Otherwise every key `sandbox-TEAM` is, and
    `sandbox-TEAM.ANYTHING` is another key of the same team.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._teams: dict[str, str] = {}
        for text in keys:
            key, _, team = text.partition("=")
            self._teams[key] = team or DEFAULT_TEAM
        self._revoked: set[str] = set()

    def team_of(self, authorization: str) -> str | None:
        """The team of an `Authorization` header's key; None when there is none (a 401)."""
        if not authorization.startswith(_SCHEME):
            return None
        key = authorization[len(_SCHEME) :].strip()
        if key in self._revoked:
            return None
        if self._teams:
            return self._teams.get(key)
        if not key.startswith(OPEN_PREFIX):
            return None
        return key[len(OPEN_PREFIX) :].partition(".")[0] or None

    def revoke(self, key: str) -> None:
        """Refuse this key from now on."""
        self._revoked.add(key)

    def restore(self, key: str | None = None) -> None:
        """Take a revocation back; all of them without a key."""
        if key is None:
            self._revoked.clear()
        else:
            self._revoked.discard(key)
