"""A configuration that is looked at again and again is read again when one of its files changes, and only then."""

import os
from pathlib import Path

import pytest

from segue_worker.config import ConfigCache

TEXT = "destinations:\n  - {name: loops, api_key_file: key}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text("a-key", encoding="utf-8")
    path = tmp_path / "segue.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def cache(file: Path) -> ConfigCache:
    cache = ConfigCache()
    cache(file)
    return cache


def version(cache: ConfigCache, file: Path) -> str:
    config = cache(file).config
    assert config is not None
    return config.version


def test_what_did_not_change_is_not_read_again(cache: ConfigCache, file: Path) -> None:
    assert cache(file) is cache(file)
    assert [each.name for each in cache(file).files] == ["segue.yaml", "key"]


def test_a_file_of_the_same_size_and_time_in_its_place_is_read(cache: ConfigCache, file: Path) -> None:
    before, times = version(cache, file), file.stat()
    other = file.with_name("other")
    other.write_text(TEXT.replace("loops", "teams"), encoding="utf-8")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(file)
    assert version(cache, file) != before


def test_a_key_that_is_rotated_is_read(cache: ConfigCache, file: Path) -> None:
    before = version(cache, file)
    file.with_name("key").write_text("another-key", encoding="utf-8")
    assert version(cache, file) != before


def test_a_key_that_was_missing_is_read_once_it_is_there(cache: ConfigCache, file: Path) -> None:
    key = file.with_name("key")
    key.unlink()
    assert [each.path for each in cache(file).problems] == ["destinations[0].api_key_file"]
    key.write_text("a-key", encoding="utf-8")
    assert cache(file).problems == ()


def test_a_file_that_was_missing_or_wrong_is_read_once_it_is_corrected(cache: ConfigCache, file: Path) -> None:
    file.unlink()
    assert "there is no such file" in cache(file).problems[0].reason
    file.write_text("destinations: [", encoding="utf-8")
    assert cache(file).problems
    file.write_text(TEXT, encoding="utf-8")
    assert cache(file).problems == ()
