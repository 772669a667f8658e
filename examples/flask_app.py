"""Flask: `flask --app flask_app run` in this folder. NEWSLETTER_LIST_ID is a list's id (Loops: Settings, Lists)."""

import os

from flask import Flask, request
from flask.typing import ResponseReturnValue

from segue_producer import EnqueueError, Producer

app = Flask(__name__)
segue = Producer()
# Loops refuses a request that names an unknown list, so this must be the id of one of your lists.
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
