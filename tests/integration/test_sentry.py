"""The example for Sentry: errors arrive there, with neither personal data nor keys."""

import importlib.util
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from segue_worker.logs import facts

EXAMPLE = Path(__file__).parents[2] / "examples" / "sentry_worker.py"
API_KEY = "the-api-key-of-the-team"
EMAIL = "ada@example.com"


class Fake(Transport):
    """Keeps what would be sent."""

    sent: list[str]

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.sent = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent.append(envelope.serialize().decode())


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """Where the example's events go."""
    fake, init = Fake(), sentry_sdk.init
    monkeypatch.setenv("SENTRY_DSN", "http://public@127.0.0.1:9/1")
    monkeypatch.setattr(sentry_sdk, "init", lambda **options: init(transport=fake, **options))
    spec = importlib.util.spec_from_file_location("sentry_worker", EXAMPLE)
    assert spec
    assert spec.loader
    before = sentry_sdk.get_global_scope().client
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    yield fake
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(before)


def deliver(event: dict[str, Any], api_key: str) -> None:
    """What fails with everything at hand that must not get out."""
    raise ValueError(f"cannot send {event} with {api_key}")


def test_errors_are_reported_without_personal_data_and_keys(transport: Fake) -> None:
    log = logging.getLogger("segue_worker.delivery.delivery")
    log.info("messageId m1 at loops is sent again", extra=facts(message_ids=["m1"]))
    try:
        deliver({"userId": EMAIL, "traits": {"email": EMAIL}}, API_KEY)
    except ValueError as error:
        log.exception("the delivery of a contact of %s failed", "loops")
        sentry_sdk.capture_exception(KeyError(error))
    log.warning("messageId m1 at loops was given up: refused")
    said = " ".join(transport.sent)
    assert len(transport.sent) == 2
    for told in ("the delivery of a contact of %s failed", "loops", "ValueError", "KeyError", "test_sentry", "deliver"):
        assert told in said
    assert EMAIL not in said
    assert API_KEY not in said


def test_the_test_would_notice_them(transport: Fake) -> None:
    sentry_sdk.get_client().options["before_send"] = None
    try:
        deliver({"userId": EMAIL}, API_KEY)
    except ValueError as error:
        sentry_sdk.capture_exception(error)
    assert EMAIL in transport.sent[0]
    assert API_KEY in transport.sent[0]
