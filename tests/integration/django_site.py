"""A Django site in one file, which runs the examples: sign up some people, and roll one sign-up back."""

import sys
from contextlib import suppress
from typing import Any

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1], "OPTIONS": {"timeout": 30}}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    ALLOWED_HOSTS=["*"],
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - a site is set up first
from django.core.management import call_command  # noqa: E402 - same
from django.db import transaction  # noqa: E402 - same
from django.test import RequestFactory  # noqa: E402 - same
from django_outbox import TABLE, record  # noqa: E402 - same
from django_views import sign_up  # noqa: E402 - same
from txoutbox.adapters.sqlite import SqliteStorage  # noqa: E402 - same

from segue_producer import InvalidEvent  # noqa: E402 - same

call_command("migrate", verbosity=0)
SqliteStorage(sys.argv[1], table=TABLE).create_schema()
for number in range(10):
    answer = sign_up(RequestFactory().post("/", {"email": f"u{number}@example.com"}))
    assert answer.status_code == 201
WRONG: tuple[Any, ...] = (5, "E")
for wrong in WRONG:
    with suppress(InvalidEvent), transaction.atomic():
        user = get_user_model().objects.create_user(username="rolled back")
        record({"type": "track", "userId": user.pk, "event": wrong, "properties": {}})
        transaction.set_rollback(True)
assert get_user_model().objects.count() == 10
