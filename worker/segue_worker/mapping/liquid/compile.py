"""Compiles a Liquid template into a function of the event."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from liquid import Environment
from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions.filtered import FILTER_TOKENS
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.builtin.tags.cycle_tag import CycleNode
from liquid.builtin.tags.decrement_tag import DecrementNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.increment_tag import IncrementNode
from liquid.builtin.tags.liquid_tag import LiquidNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import LiquidError
from liquid.token import TOKEN_BLANK, TOKEN_EMPTY

from segue_worker.errors import MappingError
from segue_worker.mapping.javascript import paired
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.liquid.expressions import Evaluate, compile_expression
from segue_worker.mapping.liquid.quoting import protect_quotes, restore_quotes
from segue_worker.mapping.liquid.state import State
from segue_worker.mapping.liquid.values import is_falsy, plain, shown

__all__ = ["compile_liquid"]

Render = Callable[[State], str]

_TAGS: Final = frozenset(
    {"#", "assign", "capture", "comment", "cycle", "decrement", "echo", "if", "increment", "liquid", "unless"}
)
"""What Segment leaves enabled of LiquidJS's tags, but for `block`, `break` and `continue`, which do nothing useful."""


# LiquidJS takes these literals as arguments of filters; the parser has a fixed set of what may stand there.
FILTER_TOKENS.update({TOKEN_BLANK, TOKEN_EMPTY})

_PARTS: Final = frozenset({"content", "output", "illegal"})
"""Names under which python-liquid keeps what is no tag."""


class _Environment(Environment):
    """python-liquid's parser with the tags Segment allows."""

    logical_not_operator = True

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.tags = {name: tag for name, tag in self.tags.items() if name in _TAGS | _PARTS}


_ENVIRONMENT: Final = _Environment()


def compile_liquid(source: str) -> Callable[[Any, Meter], str]:
    """Compile a template whose root scope is the event itself.

    The function it returns takes the data and the event's meter, and returns the text; it raises `MappingError`
    when a disabled filter is used, a filter fails, or a limit is passed.

    Raises:
        MappingError: the template does not parse, or uses a tag that Segment disables.
    """
    if "{{%" in source:
        raise MappingError(("the Liquid template does not parse: `{{%` begins an output, not a tag",))
    try:
        nodes = _ENVIRONMENT.parse(protect_quotes(source)).nodes
    except (LiquidError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is nested too deep"
        raise MappingError((f"the Liquid template does not parse: {reason}",)) from None
    render = _compile_nodes(nodes)
    return lambda data, meter: paired(render(State(data, meter)))


def _compile_nodes(nodes: Sequence[Node]) -> Render:
    parts = tuple(_compile_node(node) for node in nodes)
    return lambda state: "".join([part(state) for part in parts])


def _compile_block(block: BlockNode | None) -> Render:
    return _compile_nodes(block.nodes) if block is not None else _nothing


def _nothing(_state: State) -> str:
    return ""


def _compile_node(node: Node) -> Render:
    for kind, compile_kind in _NODES.items():
        if isinstance(node, kind):
            return compile_kind(node)
    raise MappingError((f"the Liquid template has a part that Segment does not know: {str(node)[:60]}",))


def _compile_content(node: ContentNode) -> Render:
    text = restore_quotes(node.text)

    def render(state: State) -> str:
        state.meter.spend_text(len(text))
        return text

    return render


def _compile_output(node: OutputNode) -> Render:
    return _showing(compile_expression(node.expression))


def _showing(evaluate: Evaluate) -> Render:
    def render(state: State) -> str:
        text = shown(evaluate(state), state.meter)
        state.meter.spend_text(len(text))
        return text

    return render


def _compile_branches(node: IfNode | UnlessNode) -> Render:
    negated = isinstance(node, UnlessNode)
    first = compile_expression(node.condition)
    consequence = _compile_block(node.consequence)
    alternatives = tuple(
        (compile_expression(item.expression), _compile_block(item.block)) for item in node.alternatives
    )
    otherwise = _compile_block(node.default)

    def render(state: State) -> str:
        if is_falsy(first(state)) is negated:
            return consequence(state)
        for condition, block in alternatives:
            if not is_falsy(condition(state)):
                return block(state)
        return otherwise(state)

    return render


def _compile_assign(node: AssignNode) -> Render:
    name, evaluate = str(node.name), compile_expression(node.expression)

    def render(state: State) -> str:
        state.names[name] = evaluate(state)
        return ""

    return render


def _compile_capture(node: CaptureNode) -> Render:
    name, block = str(node.name), _compile_block(node.block)

    def render(state: State) -> str:
        state.names[name] = block(state)
        return ""

    return render


def _compile_increment(node: IncrementNode) -> Render:
    name = str(node.name)

    def render(state: State) -> str:
        value = state.count(name)
        state.counters[name] = value + 1
        return shown(value, state.meter)

    return render


def _compile_decrement(node: DecrementNode) -> Render:
    name = str(node.name)

    def render(state: State) -> str:
        state.counters[name] = state.count(name) - 1
        return shown(state.counters[name], state.meter)

    return render


def _compile_cycle(node: CycleNode) -> Render:
    candidates = tuple(_showing(compile_expression(item)) for item in node.args)
    group = compile_expression(node.group) if node.group is not None else None
    spelling = ",".join(map(str, node.args))

    def render(state: State) -> str:
        name = "" if group is None else shown(plain(group(state)), state.meter)
        turn = state.turns.get(f"{name}:{spelling}", 0)
        state.turns[f"{name}:{spelling}"] = (turn + 1) % len(candidates)
        return candidates[turn](state)

    return render


_NODES: Final[Mapping[type[Node], Callable[[Any], Render]]] = {
    ContentNode: _compile_content,
    OutputNode: _compile_output,
    IfNode: _compile_branches,
    UnlessNode: _compile_branches,
    AssignNode: _compile_assign,
    CaptureNode: _compile_capture,
    CycleNode: _compile_cycle,
    IncrementNode: _compile_increment,
    DecrementNode: _compile_decrement,
    CommentNode: lambda _node: _nothing,
    LiquidNode: lambda node: _compile_block(node.block),
    BlockNode: _compile_block,
}
