"""python-liquid's environment with Segment's tags, and the compiling of templates in it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TextIO

from liquid import Environment
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions.filtered import FILTER_TOKENS
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.cycle_tag import CycleNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import LiquidError, LiquidInterrupt
from liquid.expression import Expression
from liquid.token import TOKEN_BLANK, TOKEN_EMPTY, TOKEN_EXPRESSION, Token

from segue_worker.errors import MappingError
from segue_worker.mapping.javascript import paired
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.liquid.context import EventContext, MeteredText
from segue_worker.mapping.liquid.expressions import with_liquidjs_meaning
from segue_worker.mapping.liquid.quoting import protect_quotes, restore_quotes
from segue_worker.mapping.liquid.values import plain, shown

_TAGS: Final = frozenset(
    [
        "#",
        "assign",
        "break",
        "capture",
        "comment",
        "continue",
        "cycle",
        "decrement",
        "echo",
        "if",
        "increment",
        "liquid",
        "unless",
    ]
)
"""The tags of LiquidJS that Segment leaves enabled, except `block`, which does nothing without `layout`."""

_PARTS: Final = frozenset({"content", "output", "illegal"})
"""Names under which python-liquid registers parts of a template that are not tags."""

_KEY: Final = re.compile(
    r""" "[^"]*" | '[^']*'
    | (?<!\.) \. \s* (?P<key> true|false|nil|null|empty|blank|and|or|contains|not|continue|for|if|else
                            | offset|limit|reversed|cols|with|as|in|required ) (?![\w?-])
    | (?<![\w.-]) (?P<name> offset|limit|reversed|cols|with|as|in|required ) (?![\w?-]|\s*:) """,
    re.VERBOSE,
)
"""Words that python-liquid reserves where LiquidJS accepts any name: behind a dot, and some of them everywhere."""


# LiquidJS accepts these literals as arguments of filters; python-liquid has a fixed set of what may stand there.
FILTER_TOKENS.update({TOKEN_BLANK, TOKEN_EMPTY})


class _Environment(Environment):
    """python-liquid with the tags that Segment allows, and with LiquidJS's ways of rendering them."""

    logical_not_operator = True
    suppress_blank_control_flow_blocks = False

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.tags = {name: tag for name, tag in self.tags.items() if name in _TAGS | _PARTS}
        for name, make in _NODES.items():
            tag: Any = self.tags[name]
            tag.node_class = make

    def tokenizer(self) -> Callable[[str], Iterator[Token]]:
        tokenize = super().tokenizer()
        return lambda source: map(_with_keys, tokenize(source))


def _with_keys(token: Token) -> Token:
    return token._replace(value=_KEY.sub(_bracketed, token.value)) if token.kind == TOKEN_EXPRESSION else token


def _bracketed(found: re.Match[str]) -> str:
    word = found["key"] or found["name"]
    return f'["{word}"]' if word else found[0]


class _OutputNode(OutputNode):
    def __init__(self, token: Token, expression: Expression) -> None:
        super().__init__(token, with_liquidjs_meaning(expression))

    def render_to_output(self, context: Any, buffer: TextIO) -> int:
        return buffer.write(shown(self.expression.evaluate(context), context.meter))


class _CycleNode(CycleNode):
    def __init__(self, token: Token, group: Expression | None, args: list[Expression]) -> None:
        self._spelling = ",".join(map(str, args))
        super().__init__(token, group and with_liquidjs_meaning(group), [with_liquidjs_meaning(item) for item in args])

    def render_to_output(self, context: Any, buffer: TextIO) -> int:
        name = shown(plain(self.group.evaluate(context)), context.meter) if self.group else ""
        turn = context.cycle(f"{name}:{self._spelling}", len(self.args))
        return buffer.write(shown(self.args[turn].evaluate(context), context.meter))


def _branches(kind: type[IfNode | UnlessNode]) -> Callable[..., Node]:
    def make(*, condition: Expression, alternatives: list[Any], **parts: Any) -> Node:
        for alternative in alternatives:
            alternative.expression = with_liquidjs_meaning(alternative.expression)
        return kind(condition=with_liquidjs_meaning(condition), alternatives=alternatives, **parts)

    return make


_NODES: Final[Mapping[str, Callable[..., Node]]] = {
    "content": lambda token, text: ContentNode(token, restore_quotes(text)),
    "output": _OutputNode,
    "echo": _OutputNode,
    "if": _branches(IfNode),
    "unless": _branches(UnlessNode),
    "assign": lambda token, name, expression: AssignNode(
        token, name=name, expression=with_liquidjs_meaning(expression)
    ),
    "cycle": _CycleNode,
}

_ENVIRONMENT: Final = _Environment()


def compile_liquid(source: str) -> Callable[[Any, Meter], str]:
    """Compile a template whose variables are the fields of the event.

    The function it returns takes the data and the event's meter, and returns the text. It raises `MappingError` when
    a disabled filter is reached, a filter fails, or a limit is exceeded.

    Raises:
        MappingError: the template does not parse, uses a tag that Segment disables, or formats the current time.
    """
    if "{{%" in source:
        raise MappingError(("the Liquid template cannot be used: `{{%` begins an output, not a tag",))
    try:
        template = _ENVIRONMENT.parse(protect_quotes(source))
    except LiquidError as error:
        raise MappingError((f"the Liquid template cannot be used: {str(error).splitlines()[0]}",)) from None

    def render(data: Any, meter: Meter) -> str:
        context, text = EventContext(template, data, meter), MeteredText(meter)
        try:
            for node in template.nodes:
                node.render(context, text)
        except LiquidInterrupt:  # `break` and `continue` end the text, as there are no loops
            pass
        except RecursionError:
            raise MappingError(("the Liquid template is nested too deep",)) from None
        return paired(text.getvalue())

    return render
