"""Django: enqueue once the transaction is committed, so that no event tells of something that was rolled back."""

import logging
from functools import partial

from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from segue_producer import EnqueueError, Producer

log = logging.getLogger(__name__)
# One for the whole process: it connects on first use, and is safe in threads and after a fork.
segue = Producer()


@require_POST
def sign_up(request: HttpRequest) -> JsonResponse:
    """Create an account, and tell Loops about it."""
    email = request.POST["email"]
    with transaction.atomic():
        user = get_user_model().objects.create_user(username=email, email=email)
        transaction.on_commit(partial(announce, str(user.pk), email))
    return JsonResponse({"id": user.pk}, status=201)


def announce(user_id: str, email: str) -> None:
    """Who it is, then what happened. Loops receives the two in this order."""
    try:
        segue.identify(user_id, {"email": email, "plan": "trial"}, message_id=f"sign-up-identify-{user_id}")
        segue.track(user_id, "User Registered", {"plan": "trial"}, message_id=f"sign-up-track-{user_id}")
    except EnqueueError:
        # The account exists and the answer stands. With the same messageIds, announcing it again later is safe.
        log.exception("Loops does not know of user %s yet", user_id)
