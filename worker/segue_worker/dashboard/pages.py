"""Rendering pages: the templates, and how times and numbers are written in them."""

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.sessions import COOKIE, SESSION_S
from segue_worker.delivery.journal import event_name_in
from segue_worker.masking import mask_contact, mask_json, mask_known, mask_text, plain_answer, show_json
from segue_worker.observing.status import utc_text
from segue_worker.printable import visible_json, visible_lines

OK: Final = 200
SEE_OTHER: Final = 303
NAVIGATION: Final = (
    ("/", "Overview"),
    ("/events", "Events"),
    ("/retries", "Retries"),
    ("/dead", "Dead letters"),
    ("/mappings", "Mappings"),
    ("/schema", "Schema"),
    ("/lookup", "Look up"),
)
STATIC: Final = files("segue_worker.dashboard").joinpath("static")


def span_text(seconds: float) -> str:
    """A span of time, rounded: `3 s`, `4 min`, `2 h 5 min`, `3 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{whole} s"
    minutes, hours, days = whole // 60 % 60, whole // 3600 % 24, whole // 86400
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def clock_text(ms: float) -> str:
    """The time of day, in UTC, of unix ms."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M:%S")


def number_text(value: float) -> str:
    """A count with thousands separators."""
    return f"{value:,}"


def measure_text(value: float | None) -> str:
    """A measured number with three significant digits, or a dash."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"  # noqa: PLR2004 - a thousand


def seconds_text(value: float | None) -> str:
    """A measured time in the unit that suits it, as charts.js writes it: `76 ms`, `1.2 s`, `4 min`; or a dash."""
    if value is None:
        return "\N{EN DASH}"
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (0.001, "ms"))
    length, unit = next((each for each in units if value >= each[0]), units[-1])
    number = value / length
    return f"{float(f'{number:.2g}') if number < 10 else round(number):g} {unit}" if value else "0"  # noqa: PLR2004 - a digit


def share_text(value: float | None) -> str:
    """A part of a whole as a percentage, or a dash."""
    return "\N{EN DASH}" if value is None else f"{value:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def render(call: PageRequest, template: str, *, status: int = OK, title: str, **values: Any) -> Response:
    """Render a page. A browser without a session is given one. On top of all that show something stands what `overall` says."""
    sessions = call.dashboard.sessions
    text = _ENVIRONMENT.get_template(template).render(
        title=title,
        navigation=NAVIGATION,
        path=call.request.url.path,
        signed_in=call.session.signed_in,
        csrf=sessions.csrf_token(call.session),
        handle=sessions.handle,
        now_ms=call.dashboard.now_ms,
        overall=call.overall if call.session.signed_in and status == OK else None,
        asked_by=call.request.method,
        **values,
    )
    response = HTMLResponse(text, status)
    if sessions.read(call.request.cookies.get(COOKIE)) != call.session:
        keep_session(call, response)
    return response


def printable(value: Any) -> Any:
    """What a template writes, with characters that cannot be seen spelled out; markup, and what went through `e`, as it is."""
    return visible_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def keep_session(call: PageRequest, response: Response) -> None:
    """Hand the session to the browser."""
    response.set_cookie(
        COOKIE,
        call.dashboard.sessions.write(call.session),
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        secure=call.encrypted,
    )


def go_to(path: str) -> Response:
    """Send the browser to a page, by GET."""
    return RedirectResponse(path, SEE_OTHER)


def problem(call: PageRequest, status: int, title: str, text: str) -> Response:
    """A page that says what is wrong and what to do."""
    return render(call, "problem.html", status=status, title=title, text=text)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("segue_worker.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=printable,
    )
    environment.filters.update(
        span=span_text,
        clock=clock_text,
        utc=utc_text,
        number=number_text,
        measure=measure_text,
        seconds=seconds_text,
        event_name_in=event_name_in,
        share=share_text,
        mask_contact=mask_contact,
        mask_text=mask_text,
        mask_json=lambda text: visible_json(mask_json(text)),
        mask_known=mask_known,
        plain_answer=plain_answer,
        show_json=lambda text: visible_json(show_json(text)),
    )
    return environment


_ENVIRONMENT: Final = _environment()
