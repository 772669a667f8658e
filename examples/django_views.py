"""Django: write events in the transaction of the data they tell of, so that neither exists without the other."""

from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST
from django_outbox import record


@require_POST
def sign_up(request: HttpRequest) -> JsonResponse:
    """Create an account, and have Loops told about it: who it is, then what happened, in this order."""
    email = request.POST["email"]
    with transaction.atomic():
        user = get_user_model().objects.create_user(username=email, email=email)
        record(
            {"type": "identify", "userId": user.pk, "traits": {"email": email, "plan": "trial"}},
            {"type": "track", "userId": user.pk, "event": "User Registered", "properties": {"plan": "trial"}},
        )
    return JsonResponse({"id": user.pk}, status=201)
