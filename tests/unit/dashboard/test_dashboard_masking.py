"""What is hidden, and what stays readable."""

import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.masking import mask_contact, mask_json, mask_text, plain_answer
from segue_worker.outbox.dead_letter import DeadLetter

from .conftest import EMAIL, HttpVisitor


@pytest.mark.parametrize(
    ("contact", "masked"),
    [
        (EMAIL, "a•••@e•••.com"),
        ("user-0042", "us•••42"),
        ("u1", "u•••"),
        ("", "•••"),
        ("blake2b:0123456789abcdef0123456789abcdef", "blake2b:0123•••"),
        ("a@localhost", "a•••@l•••"),
    ],
)
def test_a_contact_is_recognised_only_by_who_knows_it(contact: str, masked: str) -> None:
    assert mask_contact(contact) == masked


def test_emails_in_a_text_are_masked() -> None:
    assert mask_text(f"no <{EMAIL}>, and {EMAIL}.") == "no <a•••@e•••.com>, and a•••@e•••.com."


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(_VALUES)
def test_no_value_of_a_trait_is_ever_shown(value: object) -> None:
    secret = "a-secret-nobody-may-see"  # noqa: S105 - nothing to protect
    masked = mask_json(json.dumps({"traits": {"x": [value, secret]}, "email": secret, "n": 4711471147114711}))
    assert secret not in masked
    assert "4711471147114711" not in masked


def test_what_is_no_json_is_hidden_whole() -> None:
    assert mask_json("<html>ada</html>") == "•••"


def test_shape_and_kind_of_event_stay_readable() -> None:
    event = {"type": "track", "event": "Signed Up", "messageId": "m1", "properties": {"ok": True, "plan": "Pro"}}
    masked = json.loads(mask_json(json.dumps(event)))
    assert masked == {**event, "properties": {"ok": True, "plan": "•••"}}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ('503 {"success":false,"message":"Service Unavailable"}', "503 Service Unavailable"),
        ("timeout", "timeout"),
        ('400 {"error": 1}', '400 {"error": 1}'),
        ("500 {broken", "500 {broken"),
        ('400 {"message": {"a": 1}}', '400 {"message": {"a": 1}}'),
    ],
)
def test_an_answer_is_reduced_to_what_it_says_to_people(text: str, plain: str) -> None:
    assert plain_answer(text) == plain


async def test_no_page_shows_personal_data_or_keys_unasked(
    visitor: HttpVisitor, park: Callable[..., None], bury: Callable[..., DeadLetter]
) -> None:
    park(because=f'400 {{"message":"{EMAIL} is wrong"}}')
    letter = bury()
    handle = _only_link((await visitor.get("/retries")).text, "/retries/loops/")
    for path in (
        "/",
        "/retries",
        "/dead",
        "/dead?reason=refused",
        f"/dead/loops/{letter.id}",
        handle,
        "/numbers/loops",
    ):
        answer = await visitor.get(path)
        assert answer.status_code == 200, path
        for secret in (EMAIL, "Pro", "an-api-key-nobody-may-see"):
            assert secret not in answer.text, (path, secret)


async def test_it_is_shown_when_asked_for(
    visitor: HttpVisitor, park: Callable[..., None], bury: Callable[..., DeadLetter]
) -> None:
    park()
    letter = bury()
    handle = _only_link((await visitor.get("/retries")).text, "/retries/loops/")
    for path in (f"/dead/loops/{letter.id}", handle):
        assert EMAIL in (await visitor.post(path, {})).text


async def test_what_is_looked_up_by_contact_is_masked_until_asked_for(
    visitor: HttpVisitor, park: Callable[..., None], bury: Callable[..., DeadLetter]
) -> None:
    park("user-0042")
    bury(contact="user-0042")
    await visitor.get("/lookup")
    masked = (await visitor.post("/lookup", {"query": "user-0042"})).text
    assert "Show the retry" in masked
    assert "The event as it waits" in masked
    assert "Dead letter" in masked
    assert EMAIL not in masked
    assert EMAIL in (await visitor.post("/lookup", {"query": "user-0042", "shown": "1"})).text


async def test_what_an_answer_quotes_of_the_event_is_masked_too(
    visitor: HttpVisitor, bury: Callable[..., DeadLetter]
) -> None:
    quoted = "user-4711 named Ada Lovelace, +44 (20) 7946-0958"
    event = {"type": "identify", "traits": {"name": "Ada Lovelace", "phone": "+442079460958"}}
    letter = bury(
        contact="user-4711",
        detail=f'Loops answered 400 {{"message":"No list for {quoted}"}}',
        events=(json.dumps(event),),
        answer={"status": 400, "text": json.dumps({"message": f"No list for {quoted}"})},
    )
    await visitor.get("/lookup")
    pages = [(await visitor.get(path)).text for path in ("/dead", f"/dead/loops/{letter.id}")]
    pages.append((await visitor.post("/lookup", {"query": "m1"})).text)
    for text in pages:
        assert "No list for •••" in html.unescape(text)
        for secret in ("user-4711", "Lovelace", "7946"):
            assert secret not in text
    assert quoted in (await visitor.post(f"/dead/loops/{letter.id}", {})).text


def _only_link(text: str, start: str) -> str:
    (path,) = {part.split('"')[0] for part in text.split('href="')[1:] if part.startswith(start)}
    return path


ODD = "Bill\u202egpj.exe\x1b[2J\u200b"


async def test_characters_that_nobody_sees_are_spelled_out(
    visitor: HttpVisitor, bury: Callable[..., DeadLetter]
) -> None:
    event = json.dumps({"type": "track", "event": ODD, "messageId": ODD, "userId": ODD})
    texts = {"events": (event,), "message_ids": (ODD,), "detail": f"400 for {ODD}", "mappings": (ODD,)}
    letter = bury(contact=ODD, request={"method": "POST", "path": "/events/send", "body": event}, **texts)
    pages = [await visitor.get("/dead"), await visitor.get(f"/dead/loops/{letter.id}")]
    pages.append(await visitor.post(f"/dead/loops/{letter.id}", {}))
    for page in pages:
        assert page.status_code == 200
        assert not re.search("[\x00-\x09\x0b-\x1f\u200b\u202e]", html.unescape(page.text))
        assert r"Bill\u202egpj.exe\x1b[2J\u200b" in page.text
    shown = html.unescape(pages[-1].text.partition('aria-label="Event 1"><code>')[2].partition("</code>")[0])
    assert json.loads(shown) == json.loads(event)


async def test_what_a_form_sends_back_is_what_was_given(visitor: HttpVisitor, bury: Callable[..., DeadLetter]) -> None:
    odd = "Bill\u202egpj.exe"
    bury(event=odd)
    bury()
    text = (await visitor.get(f"/dead?event={quote(odd)}")).text
    assert text.count(f'name="event" value="{odd}"') == text.count('name="event"')
    fields = {"destination": "loops", "what": "drop", "event": odd, "everything": "1"}
    asked = (await visitor.post("/dead/confirm", fields)).text
    assert f'name="event" value="{odd}"' in asked
    assert "Delete <b>1</b>" in asked


async def test_a_message_id_is_found_with_its_spaces_and_without_those_that_were_copied(
    visitor: HttpVisitor, bury: Callable[..., DeadLetter]
) -> None:
    for message_id in (" spaced ", "plain"):
        event = {"type": "track", "event": "Signed Up", "messageId": message_id, "userId": "u1"}
        bury(message_ids=(message_id,), events=(json.dumps(event),))
    await visitor.get("/lookup")
    for asked in (" spaced ", "plain", " plain "):
        assert "1 event, newest first" in (await visitor.post("/lookup", {"query": asked})).text, asked
    assert "Nothing was found" in (await visitor.post("/lookup", {"query": "spaced"})).text


async def test_what_is_wrong_with_an_event_is_said_with_its_capitals(visitor: HttpVisitor) -> None:
    await visitor.get("/mappings")
    answer = await visitor.post("/mappings/preview", {"destination": "loops", "by": "file", "event": "[]"})
    assert "An event is a JSON object" in answer.text
