"""The judgement of a seed."""

from typing import TYPE_CHECKING

from tests.simulation.evidence import Evidence
from tests.simulation.promises import ALWAYS, IN_THE_END
from tests.simulation.settling import settle_down

if TYPE_CHECKING:
    from tests.simulation.world import World


async def judge(world: "World") -> None:
    """Wait until all is delivered, then hold every promise against what happened."""
    await settle_down(world)
    for name in world.names:
        evidence = Evidence(world, name)
        for promise in (*ALWAYS, *(IN_THE_END if evidence.complete else ())):
            for rule, what in promise(evidence):
                world.violate(rule, f"{name}: {what}")
