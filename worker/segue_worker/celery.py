"""The Celery application: `celery -A segue_worker worker`, and `beat` or `worker -B`.

The settings follow from how Celery behaves on Redis (docs/design.md#why-it-is-so): messages are JSON, results are off,
no task has an ETA, nothing is prefetched, and beat keeps no file, because its only entry needs no memory.
"""

import atexit
import gc
import logging
import os
import signal
import sys
import threading
from typing import Any, Final

from billiard import active_children
from celery import Celery, bootsteps, signals
from kombu import Exchange, Queue
from kombu.utils.compat import detect_environment
from redis import RedisError

from segue_producer import urls
from segue_producer.broker import celery_app, on_redis
from segue_producer.clients import NO_BROKER, broker_url, redis_client, redis_url, where
from segue_producer.errors import AddressError
from segue_producer.settings import ENQUEUE_QUEUE, QUEUE, SWEEP
from segue_worker import logs
from segue_worker.config import Config, load_config
from segue_worker.delivery.run import RUN_S
from segue_worker.errors import SegueError
from segue_worker.log_stream import give_back
from segue_worker.observing.redis_check import check_redis, unanswered
from segue_worker.process.enqueue_queue import ReadsEnqueue
from segue_worker.process.runtime import Runtime
from segue_worker.process.task_json import read_leniently

SWEEP_S: Final = 1.0
LONGEST_TASK_S: Final = 120
"""No task takes this long. The message of a task whose worker was lost is delivered again a minute later, which only
`segue.enqueue` needs."""
SHUTDOWN_S: Final = 20
"""How much longer than a run and its last request a shutdown may take, since Redis may not answer."""
TASK_THREADS: Final = 32

log = logging.getLogger(__name__)

if {"worker", "beat"} & set(sys.argv):
    # Before Celery writes anything: its banner, or what is wrong with its options.
    logs.only_json()


def _made_app() -> Celery:
    """The application; a URL that cannot be used ends the program with a message and exit code 2."""
    try:
        # First, since the broker is the same Redis unless another is named.
        urls.parse(redis_url())
        return celery_app("segue_worker", broker_url(), timeout=10.0, include=["segue_worker.tasks"])
    except AddressError as error:
        logs.last_words(str(error))
        raise SystemExit(2) from None


app = _made_app()
_ON_REDIS: Final = on_redis(broker_url())
app.conf.update(
    worker_consumer="segue_worker.process.consumer:QuickConsumer",
    # A task mostly just starts a run on the event loop, which all threads share. In a pool of processes each would have
    # its own, and a run would hold up the other destinations of its process.
    worker_pool="threads",
    worker_concurrency=TASK_THREADS,
    # It makes a record of each line of a traceback; with JSON what is printed is told as a whole.
    worker_redirect_stdouts=not logs.wants_json(),
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=_ON_REDIS,
    worker_soft_shutdown_timeout=SHUTDOWN_S,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_heartbeat=10,
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule={"sweep": {"task": SWEEP, "schedule": SWEEP_S, "options": {"queue": QUEUE, "expires": 2 * SWEEP_S}}},
)
if _ON_REDIS:
    app.conf.broker_transport_options.update(
        # A message whose worker was killed comes back within seconds of its timeout; by default it may take 100 more.
        visibility_timeout=LONGEST_TASK_S + 60,
        unacked_restore_interval=1,
        unacked_restore_throttle=1,
    )

app.conf.task_queues = [Queue(name, Exchange(name), routing_key=name) for name in (QUEUE, ENQUEUE_QUEUE)]
app.steps["consumer"].add(ReadsEnqueue)
read_leniently()

_process: dict[str, Any] = {}
"""What this process has: its configuration, its runtime, and `stopping` once it is told to stop. The last is set by a
signal handler, which may interrupt whoever holds a lock, so it is no `threading.Event`."""
_making = threading.Lock()


def config() -> Config:
    """The configuration this process serves, loaded once. Raises ConfigError."""
    if "config" not in _process:
        _process["config"] = load_config()
    loaded: Config = _process["config"]
    return loaded


def stopping() -> bool:
    """Whether the worker is being shut down."""
    return "stopping" in _process


def runtime() -> Runtime:
    """The working parts of this process, made on first use."""
    with _making:
        if "runtime" not in _process:
            _process["runtime"] = Runtime(config(), stopping=stopping)
        made: Runtime = _process["runtime"]
        return made


class BackgroundStep(bootsteps.StartStopStep):
    """Works without being asked, from before the broker has answered until all else has stopped."""

    requires = ("celery.worker.components:Pool", "celery.worker.components:Beat")

    def start(self, parent: Any) -> None:
        """Begin."""
        runtime().start(parent.hostname)

    def stop(self, parent: Any) -> None:
        """End."""
        del parent
        if not stopping():
            # SIGHUP, on which Celery starts the program anew, is not announced as a shutdown.
            _stop()
        runtime().stop()


app.steps["worker"].add(BackgroundStep)


@signals.beat_init.connect
@signals.worker_init.connect
def _check_broker(**_: object) -> None:
    """Refuse to start without a broker: a message and exit code 2."""
    if not broker_url():
        logs.last_words(NO_BROKER)
        raise SystemExit(2)


@signals.worker_init.connect
def _check_pool(**_: object) -> None:
    """Refuse to start where no thread can have an event loop of its own: nothing would ever be delivered, nor the worker end."""
    pool = detect_environment()
    if pool != "default":
        logs.last_words(
            f"Workers deliver nothing in the pool {pool}: leave out --pool, or use threads, prefork or solo"
        )
        raise SystemExit(2)


@signals.worker_init.connect
def _check(**_: object) -> None:
    """Refuse to start with a faulty configuration or a Redis that may lose events: a message and exit code 2."""
    try:
        config()
        with redis_client(redis_url(), timeout=5) as redis:
            for warning in check_redis(redis, redis_url()):
                log.warning(warning)
    except SegueError as error:
        logs.last_words(str(error))
        raise SystemExit(2) from None
    except RedisError as error:
        log.warning("%s", unanswered(f"Redis at {where(redis_url())}", error, "waiting for it"))


@signals.worker_ready.connect
def _warm_up(**_: object) -> None:
    runtime().warm_up()
    _collect_rarely()


def _collect_rarely() -> None:
    """Keep objects that live as long as the process out of garbage collection, and collect the rest less often.

    Celery and its libraries make some hundred thousand objects, and every full collection looked at all of them.
    Measured for each request of a run: 322 µs of CPU before, 262 µs after.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@signals.celeryd_init.connect
def _only_json(**_: object) -> None:
    logs.only_json()


@signals.after_setup_logger.connect
def _set_up_logs(logger: logging.Logger, **_: object) -> None:
    logs.set_up(logger)


@signals.after_setup_task_logger.connect
def _set_up_task_logs(logger: logging.Logger, **_: object) -> None:
    logs.set_up(logger, style="json" if logs.wants_json() else "console")


@signals.worker_shutting_down.connect
def _stop(**_: object) -> None:
    _process["stopping"] = True
    loaded: Config | None = _process.get("config")
    if loaded is not None:
        longest = max(destination.timeout.total_seconds() for destination in loaded.destinations)
        signal.signal(signal.SIGALRM, _end)
        signal.setitimer(signal.ITIMER_REAL, RUN_S + longest + SHUTDOWN_S)


@signals.worker_shutdown.connect
def _leave_room(**_: object) -> None:
    # Before Celery puts the new program into this process after a SIGHUP, which it does at its exit, too.
    atexit.register(_leave_nothing_behind)


def _leave_nothing_behind() -> None:
    """Take back what would outlive this program in its process: a timer that kills, and streams that nobody reads."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    give_back()


def _end(*_: object) -> None:
    """End a shutdown that hangs, for instance on a connection to a host that is gone, before the process is killed.

    The cost is that of a kill: requests that were sent but not recorded are sent again, under their Idempotency-Keys.
    """
    logs.last_words(
        "The shutdown took too long (is Redis down?), so the worker exits now; other workers continue its work"
    )
    for child in active_children():
        child.terminate()
    os._exit(0)
