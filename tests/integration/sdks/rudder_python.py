"""The RudderStack SDK for Python: identify one user, track some events, and end with 0 if it believes all were taken."""

import sys
from typing import Any

from rudderstack.analytics.client import Client  # type: ignore[import-not-found]  # installed for the test alone

url, write_key, user, count = sys.argv[1:]
errors: list[object] = []
client = Client(write_key, host=url, on_error=lambda error, _: errors.append(error))
client.identify(user, {"email": f"{user}@example.com", "firstName": "Ada", "plan": "Pro"})
for number in range(int(count)):
    client.track(user, "Order Completed", {"number": number, "price": 12.5})
ODD: tuple[Any, ...] = (2**53, 2**53 + 1, 777, 777.0, "777") if user.startswith("odd") else ()
for number, who in enumerate(ODD):
    odd = {"number": number, "email": f"{int(who)}@example.com", "text": "a\ud800b"}
    client.track(who, user, odd, integrations={"Facebook": "yes"})
client.page(user, "Docs", "Home")
client.flush()
client.join()
sys.exit(str(errors) if errors else 0)
