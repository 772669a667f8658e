"""What a person does to a whole destination: hold it, and let it go on."""

from redis import Redis

from segue_producer.keys import RESUMED_S, Keys
from segue_worker.outbox.pause import Pause, PauseKind, begin


def hold(redis: "Redis", destination: str, reason: str, now_ms: int) -> bool:
    """Pause a destination until a person resumes it. A pause that Segue made becomes one by hand, which no probe ends.

    Args:
        redis: client that answers bytes.
        destination: its name.
        reason: for people.
        now_ms: unix ms.

    Returns:
        whether it was paused already; it then counts as paused since that time.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    key = Keys(destination).paused
    earlier = redis.get(key)
    since = Pause.from_json(earlier).since if earlier else now_ms
    redis.set(key, begin(PauseKind.HAND, reason, since).to_json())
    return bool(earlier)


def resume(redis: "Redis", destination: str) -> bool:
    """Let a destination go on, whoever paused it; for `RESUMED_S` it is not paused anew for refused requests.

    Args:
        redis: client that answers bytes.
        destination: its name.

    Returns:
        whether it was paused.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    keys = Keys(destination)
    with redis.pipeline(transaction=True) as pipe:
        pipe.set(keys.resumed, "1", ex=RESUMED_S)
        pipe.delete(keys.paused)
        _, was_paused = pipe.execute()
    return bool(was_paused)
