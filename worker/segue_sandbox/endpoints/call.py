"""What an endpoint is given."""

from dataclasses import dataclass

from segue_sandbox.request import ApiRequest
from segue_sandbox.store import Team
from segue_sandbox.switches import Switches


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One admitted request.

    Attributes:
        argument: what follows the route's path, where the route has a parameter.
        now: the data's time (it can be moved), unix seconds.
        answer_delay: how long after `now` the answer will leave, seconds.
        mailed: False while Loops accepts events and sends no mail.
    """

    request: ApiRequest
    team: Team
    switches: Switches
    argument: str
    now: float
    answer_delay: float
    mailed: bool = True
