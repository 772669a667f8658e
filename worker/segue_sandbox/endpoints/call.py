"""The request as an endpoint gets it."""

from typing import NamedTuple

from segue_sandbox.request import ApiRequest
from segue_sandbox.store import Team
from segue_sandbox.switches import Switches


class ApiCall(NamedTuple):
    """One request that passed all checks.

    Attributes:
        argument: the part after the route's path, where the route has a parameter.
        now: the data's time (it can be moved), unix seconds.
        answer_delay: how long after `now` the answer will be sent, seconds.
        mailed: False while Loops accepts events but sends no mail.
    """

    request: ApiRequest
    team: Team
    switches: Switches
    argument: str
    now: float
    answer_delay: float
    mailed: bool = True
