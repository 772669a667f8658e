"""Which web pages may send."""

import pytest

from segue_tracking_api.origins import Origins

OWN = Origins(["https://www.example.com", "http://localhost:3000/"])


@pytest.mark.parametrize(
    ("origin", "host", "let_in"),
    [
        ("", "segue.example.com", True),
        ("https://www.example.com", "segue.example.com", True),
        ("HTTPS://WWW.example.com", "segue.example.com", True),
        ("http://localhost:3000", "segue.example.com", True),
        ("https://other.example.com", "segue.example.com", False),
        ("http://www.example.com", "segue.example.com", False),
        ("null", "segue.example.com", False),
        ("https://segue.example.com", "segue.example.com", True),
        ("https://[", "segue.example.com", False),
        ("null", "", False),
    ],
)
def test_only_pages_that_are_named_may_send(origin: str, host: str, let_in: bool) -> None:  # noqa: FBT001 - a case
    assert OWN.let_in(origin, host) is let_in
    assert Origins(["*"]).let_in(origin, host)
