"""The start-up check of Redis."""

import pytest
import redis

from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.errors import RedisSetupError
from segue_worker.observing.redis_check import check_redis


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
    assert "appendonly" in warning
