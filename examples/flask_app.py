"""Flask: `flask --app flask_app run` in this folder."""

from flask import Flask, request
from flask.typing import ResponseReturnValue

from segue_producer import EnqueueError, Producer

app = Flask(__name__)
segue = Producer()


@app.post("/newsletter")
def newsletter() -> ResponseReturnValue:
    """Put somebody on a mailing list, or take them off it."""
    form = request.form
    try:
        segue.identify(
            form["user_id"],
            {"email": form["email"], "mailingLists": {"LIST_ID_OF_THE_NEWSLETTER": form["wanted"] == "yes"}},
        )
    except EnqueueError:
        app.logger.exception("not enqueued")
        return {"error": "try again later"}, 503
    return "", 202
