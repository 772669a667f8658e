"""The start-up check of Redis."""

from unittest.mock import patch

import fakeredis
import pytest
import redis

from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.errors import RedisSetupError
from segue_worker.observing.redis_check import check_redis
from tests.integration.stack import wait_until


def test_a_redis_that_keeps_what_it_is_given_passes(redis_server: EmbeddedRedis) -> None:
    assert check_redis(redis.Redis.from_url(redis_server.url)) == []


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_policy_that_could_drop_data_is_refused(redis_server: EmbeddedRedis, policy: str) -> None:
    client = redis.Redis.from_url(redis_server.url)
    client.config_set("maxmemory-policy", policy)
    try:
        with pytest.raises(RedisSetupError, match=f"{policy}.*noeviction"):
            check_redis(client)
    finally:
        client.config_set("maxmemory-policy", "noeviction")


def test_a_redis_without_persistence_is_warned_of(redis_server: EmbeddedRedis) -> None:
    client = redis.Redis.from_url(redis_server.url)
    client.config_set("appendonly", "no")
    try:
        (warning,) = check_redis(client)
    finally:
        client.config_set("appendonly", "yes")
        # Until its first append-only file is written, Redis does not stop when it is told to.
        wait_until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
    assert "appendonly" in warning


def test_a_redis_that_is_too_old_is_refused() -> None:
    client = fakeredis.FakeRedis()
    facts = {"redis_version": "6.0.16", "aof_enabled": 1}
    refused = pytest.raises(RedisSetupError, match=r"Redis 6\.0\.16 is too old; use Redis 6\.2")
    with patch.object(client, "info", return_value=facts), refused:
        check_redis(client)


def test_a_managed_redis_that_does_not_tell_is_warned_of() -> None:
    client = fakeredis.FakeRedis()
    refused = redis.exceptions.NoPermissionError("this user has no permissions to run the 'info' command")
    with patch.object(client, "info", side_effect=refused):
        (warning,) = check_redis(client)
    assert "noeviction" in warning
    with (
        patch.object(client, "info", return_value={"redis_version": "7.2.4"}),
        patch.object(client, "config_get", side_effect=redis.ResponseError("unknown command 'CONFIG'")),
    ):
        (warning,) = check_redis(client)
    assert "appendonly" in warning


def test_an_append_only_file_that_cannot_be_written_is_refused() -> None:
    client = fakeredis.FakeRedis()
    facts = {"redis_version": "7.2.4", "aof_enabled": 1, "aof_last_write_status": "err"}
    with patch.object(client, "info", return_value=facts), pytest.raises(RedisSetupError, match="the disk of Redis"):
        check_redis(client)
