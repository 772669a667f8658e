"""Flask: `flask --app flask_app run` in this folder. NEWSLETTER_LIST_ID is a list's id (Loops: Settings, Lists)."""

import os

from flask import Flask, request
from flask.typing import ResponseReturnValue

from segue_producer import EnqueueError, Producer

app = Flask(__name__)
segue = Producer()
# Loops refuses a request with a list it does not know, so there is no id to stand in for yours.
NEWSLETTER = os.environ["NEWSLETTER_LIST_ID"]


@app.post("/newsletter")
def newsletter() -> ResponseReturnValue:
    """Put somebody on a mailing list, or take them off it."""
    form = request.form
    try:
        segue.identify(
            form["user_id"],
            {"email": form["email"], "mailingLists": {NEWSLETTER: form["wanted"] == "yes"}},
        )
    except EnqueueError:
        app.logger.exception("not enqueued")
        return {"error": "try again later"}, 503
    return "", 202
