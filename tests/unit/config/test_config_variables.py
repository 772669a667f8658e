import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.config.variables import substitute

ENVIRON = {"NAME": "value", "_x1": "other", "DOLLAR": "${NAME}", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("${NAME}", "value"),
        ("a-${NAME}-${_x1}", "a-value-other"),
        ("${EMPTY}", ""),
        ("$$", "$"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$value"),
        ("${DOLLAR}", "${NAME}"),
        ("$.traits.email", "$.traits.email"),
        ("$NAME", "$NAME"),
        ("costs ${{properties.price}}", "costs ${{properties.price}}"),
        ("100 $", "100 $"),
    ],
)
def test_only_braced_names_and_doubled_dollars_are_replaced(text: str, outcome: str) -> None:
    substituted = substitute(text, ENVIRON)
    assert (substituted.text, substituted.reasons) == (outcome, ())


@pytest.mark.parametrize("text", ["${MISSING}", "a ${MISSING} b ${MISSING}"])
def test_a_missing_variable_is_named_once_and_stays_as_written(text: str) -> None:
    assert substitute(text, ENVIRON) == (text, frozenset(), ("the environment variable MISSING is not set",))


@pytest.mark.parametrize("text", ["${", "${}", "${NAME", "${NAME:-default}", "${1X}", "${a b}", "${NÄME}"])
def test_what_only_begins_like_a_variable_is_refused(text: str) -> None:
    substituted = substitute(text, ENVIRON)
    assert substituted.text == text
    assert "write ${NAME}" in substituted.reasons[0]


def test_a_variable_that_is_no_text_is_refused() -> None:
    substituted = substitute("${RAW}", {"RAW": "\udcff"})
    assert substituted.reasons == ("the environment variable RAW is not valid UTF-8",)


def test_what_variables_held_is_known() -> None:
    assert substitute("${NAME} $$ ${EMPTY} ${NAME}", ENVIRON).values == {"value", ""}


@given(st.text())
def test_escaping_every_dollar_gives_the_text_itself(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}) == (text, frozenset(), ())
