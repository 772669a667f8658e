"""Builds conditions from tokens, and refuses what Segment's parser would read differently (docs/segment.md#triggers)."""

from difflib import get_close_matches
from typing import Final, Literal

from segue_worker.errors import TriggerError
from segue_worker.mapping.trigger.conditions import Condition, ConditionGroup, Test
from segue_worker.mapping.trigger.tokens import Kind, Token, tokenize

_TEXT_FIELDS: Final = ("type", "event", "name", "userId")
_OBJECT_FIELDS: Final = ("properties", "traits", "context")
_FIELDS: Final = "type, event, name, userId, properties.…, traits.… or context.…"
_FUNCTIONS: Final = frozenset({"contains", "match"})
_NULLABLE: Final = frozenset({"name", "userId", *_OBJECT_FIELDS})
_WORD_OPERATORS: Final = {
    "contains": 'write `contains({field}, "…")`',
    "in": 'write `({field} = "…" or {field} = "…")`',
    "is": "write `=`",
    "equals": "write `=`",
    "exists": "write `!= null`",
    "not_exists": "write `= null`",
    "is_true": "write `= true`",
    "is_false": "write `= false`",
    "starts_with": 'write `match({field}, "…*")`',
    "ends_with": 'write `match({field}, "*…")`',
    "not_contains": 'write `!contains({field}, "…")`',
    "not_starts_with": 'write `!match({field}, "…*")`',
    "not_ends_with": 'write `!match({field}, "*…")`',
    "number_equals": "write `=`",
    "number_not_equals": "write `!=`",
    "not": "write `!=`",
}


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._at = 0

    def parse(self) -> ConditionGroup:
        if self._peek().kind is Kind.END:
            raise self._error('the trigger is empty; write for example `type = "track"`.', self._peek())
        group = self._level(depth=0)
        if self._peek().kind is Kind.CLOSE:
            raise self._error("this parenthesis closes nothing.", self._peek())
        return group

    def _peek(self, offset: int = 0) -> Token:
        return self._tokens[min(self._at + offset, len(self._tokens) - 1)]

    def _take(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _error(self, reason: str, token: Token) -> TriggerError:
        return TriggerError(reason, text=self._text, position=token.position)

    def _level(self, depth: int) -> ConditionGroup:
        members = [self._term(depth)]
        conditional: Literal["and", "or"] | None = None
        while self._peek().kind not in {Kind.END, Kind.CLOSE}:
            found = self._conditional(self._take())
            if conditional not in {None, found.text}:
                raise self._error(
                    "Segment knows no precedence: the last of `and` and `or` would count for all conditions here. "
                    f"Put the conditions joined by one of them into parentheses, as `{_grouped(depth)}`.",
                    found,
                )
            conditional = "or" if found.text == "or" else "and"
            members.append(self._term(depth))
        return ConditionGroup(conditional or "and", tuple(members))

    def _conditional(self, token: Token) -> Token:
        if token.kind is Kind.WORD:
            if token.text in {"and", "or"}:
                if self._peek().kind is Kind.OPEN and self._peek().position == token.position + len(token.text):
                    raise self._error(f"put a space after `{token.label}`.", self._peek())
                return token
            if token.text.lower() in {"and", "or"}:
                raise self._error(f"write `{token.text.lower()}` in lower case.", token)
        if token.kind is Kind.OPERATOR:
            raise self._error(
                "a condition ends before this; contains() and match() are true or false by themselves.", token
            )
        raise self._error("join conditions with `and` or `or`.", token)

    def _term(self, depth: int) -> Condition | ConditionGroup:
        token = self._take()
        if token.kind is Kind.OPEN:
            return self._group(token, depth)
        if token.kind is Kind.NOT:
            return self._negated(token, depth)
        if token.kind is Kind.WORD:
            if token.text in _FUNCTIONS and self._peek().kind is Kind.OPEN:
                return self._function(token, depth, negated=False, start=token.position)
            return self._comparison(token)
        if token.kind is Kind.END:
            raise self._error("a condition is missing at the end.", token)
        if token.kind is Kind.CLOSE:
            raise self._error("a condition is missing before this parenthesis.", token)
        raise self._error(f"a condition begins with a field: {_FIELDS}.", token)

    def _group(self, token: Token, depth: int) -> ConditionGroup:
        if depth:
            raise self._error("parentheses do not nest in Segment: the first `)` closes both.", token)
        if self._peek().kind is Kind.CLOSE:
            raise self._error("these parentheses hold no condition.", token)
        group = self._level(depth + 1)
        if self._take().kind is not Kind.CLOSE:
            raise self._error("this parenthesis is never closed.", token)
        return group

    def _negated(self, token: Token, depth: int) -> Condition:
        following = self._take()
        if following.kind is Kind.OPEN:
            raise self._error(
                "Segment ignores `!` before parentheses; negate each condition, and swap `and` and `or`.", token
            )
        if following.text in _FUNCTIONS and self._peek().kind is Kind.OPEN:
            return self._function(following, depth, negated=True, start=token.position)
        raise self._error(
            "Segment ignores `!` here: it negates contains() and match() only. Otherwise write `!=`.", token
        )

    def _function(self, name: Token, depth: int, *, negated: bool, start: int) -> Condition:
        if depth:
            raise self._error(
                f"the `)` of {name.text}() would close the group around it. Write {name.text}() outside parentheses.",
                name,
            )
        self._take()
        field = self._take()
        if field.kind is not Kind.WORD:
            raise self._error(f"the first argument of {name.text}() is a field: {_FIELDS}.", field)
        keys = self._field(field)
        if keys == ("type",):
            raise self._error(f'{name.text}() does not take `type`; write `type = "track"`.', field)
        comma = self._take()
        if comma.kind is not Kind.COMMA:
            raise self._error(f"{name.text}() takes a field, a comma and a text.", comma)
        value = self._take()
        if value.kind is not Kind.STRING:
            raise self._error(f"the second argument of {name.text}() is a text in double quotes.", value)
        closing = self._take()
        if closing.kind is not Kind.CLOSE:
            raise self._error(f"{name.text}() takes two arguments and ends with `)`.", closing)
        test, expected = ("contains", value.text) if name.text == "contains" else self._pattern(value, field)
        negation: dict[str, Test] = {"contains": "not contains", "starts": "not starts", "ends": "not ends"}
        positive: dict[str, Test] = {"contains": "contains", "starts": "starts", "ends": "ends"}
        return Condition(
            keys, (negation if negated else positive)[test], expected, self._text[start : closing.position + 1]
        )

    def _pattern(self, value: Token, field: Token) -> tuple[str, str]:
        """Read the pattern of `match`, in which Segment allows one `*`, at the beginning or at the end."""
        pattern = value.text
        if pattern.count("*") == 1 and pattern.endswith("*"):
            return "starts", pattern[:-1]
        if pattern.count("*") == 1 and pattern.startswith("*"):
            return "ends", pattern[1:]
        if "*" not in pattern:
            raise self._error(
                f'match() needs one `*`, at the beginning or the end; for equality write `{field.label} = "…"`.', value
            )
        raise self._error(
            "Segment's match() knows one `*`, at the beginning or the end, and would take the others literally; "
            f'for text anywhere inside write `contains({field.label}, "…")`.',
            value,
        )

    def _field(self, token: Token) -> tuple[str, ...]:
        root, *rest = token.keys
        if root in _OBJECT_FIELDS:
            if not rest:
                raise self._error(f"name a key of `{root}`, as `{root}.plan`.", token)
            return token.keys
        if root in _TEXT_FIELDS and not rest:
            return token.keys
        if root == "event" and rest[0] in _OBJECT_FIELDS:
            raise self._error(f"write `{token.label.removeprefix('event.')}`, without `event.`.", token)
        if root in _TEXT_FIELDS:
            raise self._error(f"`{root}` is a text and has no keys.", token)
        raise self._word_error(token, root)

    def _word_error(self, token: Token, root: str) -> TriggerError:
        lowered = token.text.lower()
        if lowered in {"and", "or"}:
            return self._error("a condition is missing before this.", token)
        if lowered == "not":
            return self._error("Segment ignores `not`; write `!=`, or `!contains(…)`.", token)
        known = (*_TEXT_FIELDS, *_OBJECT_FIELDS, *_FUNCTIONS)
        near = get_close_matches(root, known, n=1) or [name for name in known if name.lower() == root.lower()]
        hint = f" Did you mean `{near[0]}`?" if near else ""
        return self._error(f"Segment ignores `{root[:40]}`: a field is {_FIELDS}.{hint}", token)

    def _comparison(self, token: Token) -> Condition:
        keys = self._field(token)
        operator = self._take()
        if operator.kind is not Kind.OPERATOR:
            raise self._operator_error(operator, token)
        value = self._take()
        test, expected = self._test(token, operator, value, keys[0])
        length = 2 if value.kind is Kind.STRING else 0
        source = self._text[token.position : value.position + len(value.text) + length]
        return Condition(keys, test, expected, source)

    def _operator_error(self, operator: Token, field: Token) -> TriggerError:
        hint = _WORD_OPERATORS.get(operator.text, "write =, !=, <, <=, > or >=").format(field=field.label)
        if operator.kind is Kind.END:
            return self._error(f"`{field.label}` is compared with nothing; {hint}.", operator)
        return self._error(f"an operator belongs here; {hint}.", operator)

    def _test(self, field: Token, operator: Token, value: Token, root: str) -> tuple[Test, str | float]:
        if value.kind is Kind.STRING:
            return self._text_test(operator, value)
        if root in _TEXT_FIELDS and operator.text not in {"=", "!="}:
            raise self._error(f"`{root}` is a text and is compared with `=` or `!=` only.", operator)
        if value.kind is Kind.NUMBER:
            return self._number_test(operator, value, root)
        if value.kind is not Kind.WORD:
            raise self._error("a value belongs here: a text in double quotes, a number, true, false or null.", value)
        if value.text == "null":
            return self._null_test(field, operator, value, root)
        if value.text in {"true", "false"}:
            return self._boolean_test(field, operator, value, root)
        if value.text.lower() in {"null", "nil", "none", "true", "false"}:
            known = {"nil": "null", "none": "null"}.get(value.text.lower(), value.text.lower())
            raise self._error(f"write `{known}`; Segment compares with the text {value.label!r} here.", value)
        raise self._error("put the text in double quotes.", value)

    def _text_test(self, operator: Token, value: Token) -> tuple[Test, str]:
        if operator.text == "=":
            return "=", value.text
        if operator.text == "!=":
            return "!=", value.text
        raise self._error(f"`{operator.text}` compares numbers; write the number without quotes.", value)

    def _number_test(self, operator: Token, value: Token, root: str) -> tuple[Test, float]:
        if root in _TEXT_FIELDS:
            raise self._error(f'`{root}` is a text; write "{value.label}", in double quotes.', value)
        tests: dict[str, Test] = {
            "=": "number =", "!=": "number !=", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
        }  # fmt: skip
        return tests[operator.text], float(value.text)

    def _null_test(self, field: Token, operator: Token, value: Token, root: str) -> tuple[Test, str]:
        if root not in _NULLABLE:
            hint = 'for a track event write `contains(event, "")`' if root == "event" else "every event has a type"
            raise self._error(f'Segment compares `{root}` with the text "null" here; {hint}.', value)
        if operator.text not in {"=", "!="}:
            raise self._error(f"null is compared with `=` or `!=`: `{field.label} != null`.", operator)
        return ("missing" if operator.text == "=" else "exists"), ""

    def _boolean_test(self, field: Token, operator: Token, value: Token, root: str) -> tuple[Test, str]:
        if root in _TEXT_FIELDS:
            raise self._error(f'`{root}` is a text; write "{value.label}", in double quotes.', value)
        if operator.text == "!=":
            opposite = "false" if value.text == "true" else "true"
            raise self._error(
                f'Segment compares with the text "{value.label}" here, which any boolean differs from; '
                f"write `{field.label} = {opposite}`, or `({field.label} = {opposite} or {field.label} = null)`.",
                operator,
            )
        if operator.text != "=":
            raise self._error(f"`{operator.text}` compares numbers; write `{field.label} = {value.label}`.", operator)
        return ("is true" if value.text == "true" else "is false"), ""


def _grouped(depth: int) -> str:
    return "… and …" if depth else "(… and …) or …"


def parse(text: str) -> ConditionGroup:
    """Read a trigger into its conditions.

    Raises:
        TriggerError: the text is not a trigger, or Segment would not evaluate it the way it reads.
    """
    return _Parser(text).parse()
