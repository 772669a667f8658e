"""`segue dashboard`: what it wants before it starts."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from segue_worker.cli import segue
from segue_worker.dashboard import server

from .conftest import TOKEN

TRUSTED: list[str] = []
"""What it would have believed."""


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Where it would have listened."""
    places: list[tuple[str, int]] = []

    def serve(_app: object, host: str, port: int, _on_ready: object, *, proxies: list[str]) -> None:
        places.append((host, port))
        TRUSTED[:] = proxies

    monkeypatch.setattr(server, "serve", serve)
    return places


def invoke(*arguments: str, token: str = "") -> Any:
    redis = "redis://127.0.0.1:1/0"
    return CliRunner().invoke(
        segue, ["dashboard", "--redis-url", redis, *arguments], env={"SEGUE_DASHBOARD_TOKEN": token}
    )


def test_it_listens_on_this_machine_only(served: list[tuple[str, int]]) -> None:
    result = invoke(token=TOKEN)
    assert result.exit_code == 0, result.output
    assert served == [("127.0.0.1", 8720)]


@pytest.mark.parametrize("token", ["", "  ", "too-short"])
def test_without_a_good_token_it_does_not_start(served: list[tuple[str, int]], token: str) -> None:
    result = invoke(token=token)
    assert (result.exit_code, served) == (2, [])
    assert "token" in result.stderr
    assert "too-short" not in result.output


def test_the_token_may_be_in_a_file(served: list[tuple[str, int]], tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("\n")
    assert invoke("--token-file", str(file), token=TOKEN).exit_code == 2
    file.write_text(f"{TOKEN}\n")
    assert invoke("--token-file", str(file)).exit_code == 0
    assert len(served) == 1


def test_a_redis_url_that_is_none_is_named(served: list[tuple[str, int]]) -> None:
    result = invoke("--redis-url", "localhost:6379", token=TOKEN)
    assert (result.exit_code, served) == (2, [])
    assert "--redis-url" in result.stderr


def test_it_believes_a_proxy_on_this_machine_and_others_that_are_named(served: list[tuple[str, int]]) -> None:
    assert invoke(token=TOKEN).exit_code == 0
    assert TRUSTED == ["127.0.0.1/32", "::1/128", "::ffff:7f00:1/128"]
    assert invoke("--forwarded-allow-ips", "10.1.0.0/16", token=TOKEN).exit_code == 0
    assert TRUSTED == ["10.1.0.0/16", "::ffff:a01:0/112"]
    assert len(served) == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--forwarded-allow-ips", "proxy.internal"),
        ("--public-url", "segue.example.com"),
        ("--public-url", "ftp://segue.example.com"),
        ("--public-url", "https://example.com/segue"),
        ("--public-url", "https://me:secret@example.com"),
        ("--public-url", "https://example.com:port"),
    ],
)
def test_what_cannot_be_used_behind_a_proxy_is_named(served: list[tuple[str, int]], option: str, value: str) -> None:
    result = invoke(option, value, token=TOKEN)
    assert (result.exit_code, served) == (2, [])
    assert option in result.stderr
