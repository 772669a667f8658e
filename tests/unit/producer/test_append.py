"""What a producer says of the errors of Redis."""

import pytest
from redis import exceptions

from segue_producer.append import unavailable


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (exceptions.ConnectionError("Connection refused"), "check that Redis runs"),
        (exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), "its disk"),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."), "fewer replicas"),
        (
            exceptions.ResponseError("WRONGTYPE Operation against a key, script: 1f, on @user_script:3."),
            "never writes there",
        ),
        (exceptions.ResponseError("DB index is out of range"), "no database of the number"),
        (
            exceptions.ResponseError("unknown command 'SENTINEL', with args beginning with"),
            "name a Redis from version 6.2",
        ),
        (exceptions.ResponseError("BUSY Redis is busy running a script."), "Redis runs, but refused"),
        (exceptions.ResponseError("OOM command not allowed"), "out of memory"),
        (exceptions.MovedError("3999 127.0.0.1:6381"), "redis+cluster://"),
        (exceptions.ClusterDownError("The cluster is down"), "a part of the cluster has no primary"),
    ],
)
def test_the_advice_is_about_what_redis_said(error: exceptions.RedisError, advice: str) -> None:
    said = str(unavailable(error, "redis://:secret@redis.example.com:6379/0"))
    assert said.startswith("Redis at redis.example.com:6379 did not take the events (")
    assert advice in said
    assert ("check that Redis runs" in said) == isinstance(error, exceptions.ConnectionError)
    assert "secret" not in said
