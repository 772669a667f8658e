import contextlib
from typing import Any

import pytest

from segue_worker.mapping import MappingError, compile_mapping
from segue_worker.mapping.transform import compile_with_faults

_RESERVED = [
    "and",
    "as",
    "blank",
    "cols",
    "contains",
    "continue",
    "else",
    "empty",
    "false",
    "for",
    "if",
    "in",
    "limit",
    "nil",
    "not",
    "null",
    "offset",
    "or",
    "required",
    "reversed",
    "true",
    "with",
]
"""Words of the parser that are keys like any other behind a dot."""

_EVENT: dict[str, Any] = {
    "name": "Ada Lovelace",
    "empty": "",
    "zero": 0,
    "yes": True,
    "no": False,
    "nul": None,
    "n": 2.0,
    "list": [1, "a", None, [2, 3]],
    "products": [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}],
    "object": {"key": "value", "b": {"c": 1}},
    "html": "<b>\"x\" & 'y'</b>",
    "time": "2024-05-06T07:08:09.123Z",
    "key": "key",
    "words": {word: f"<{word}>" for word in _RESERVED},
}


def _render(template: str) -> Any:
    return compile_mapping({"@liquid": template})(_EVENT)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", ""),
        ("plain\n", "plain\n"),
        ("{{ name }}|{{ missing }}|{{ nul }}|{{ yes }}|{{ n }}", "Ada Lovelace|||true|2"),
        ("{{ list }} {{ object }}", "1a23 [object Object]"),
        ("{{ object.key }}{{ object['key'] }}{{ object[key] }}{{ list[0] }}{{ list[-1] }}", "valuevaluevalue123"),
        ("{{ list.size }}{{ name.size }}{{ object.size }}{{ products.last.name }}{{ list.first }}", "4122B1"),
        (
            "{% if empty %}true{% endif %}{% if zero %}true{% endif %}{% if nul %}{% else %}false{% endif %}",
            "truetruefalse",
        ),
        ("{% unless no %}a{% endunless %}{% if no or yes and no %}b{% elsif yes %}c{% endif %}", "ac"),
        ("{% if name contains 'Love' and n >= 2 %}x{% endif %}{% if list contains 'a' %}y{% endif %}", "xy"),
        (
            "{% if '' == empty %}a{% endif %}{% if nul == nil %}b{% endif %}{% if ' ' == blank %}c{% endif %}{% if list == empty %}d{% endif %}",
            "abc",
        ),
        (
            "{% if n == 2 %}a{% endif %}{% if yes == 1 %}b{% endif %}{% if 'b' > 'a' %}c{% endif %}{% if '10' > 9 %}d{% endif %}",
            "acd",
        ),
        ("{% assign x = name | split: ' ' | last | upcase %}{{ x }}", "LOVELACE"),
        ("{% capture x %}<{{ n }}>{% endcapture %}{{ x }}{{ x }}", "<2><2>"),
        ("{% increment i %}{% increment i %}{{ i }}{% decrement j %}{% increment n %}{{ n }}", "012-123"),
        ("{% cycle 'a', 'b' %}{% cycle 'a', 'b' %}{% cycle 'a', 'b' %}", "aba"),
        ("{% comment %}{{ x }}{% endcomment %}{% raw %}{{ x }}{% endraw %}{% # note %}{% echo n %}", "{{ x }}2"),
        ("{% liquid\nassign a = 1\necho a\n%}", "1"),
        ("a  {{- n -}}  b", "a2b"),
        ("{{ name | unknown_filter }}", "Ada Lovelace"),
        ('{{ "it\\"s" }}{{ \'a\\nb\' | size }}{{ "\\u0041" }}', 'it"s3A'),
        (
            "{{ n | plus: 1 }} {{ 10 | divided_by: 4 }} {{ 1 | divided_by: 0 }} {{ 'x' | times: 2 }} {{ -7 | modulo: 3 }}",
            "3 2.5 Infinity 0 2",
        ),
        (
            "{{ 1.005 | round: 2 }} {{ 2.5 | ceil }} {{ -2.5 | round }} {{ 3 | at_most: 2 }} {{ 3 | at_least: 5 }}",
            "1.01 3 -3 2 5",
        ),
        ("{{ html | escape }}", "&lt;b&gt;&#34;x&#34; &amp; &#39;y&#39;&lt;/b&gt;"),
        ("{{ html | strip_html }}|{{ 'a <b' | strip_html }}", "\"x\" & 'y'|a <b"),
        (
            "{{ 'a b&é' | url_encode }} {{ 'a%20b+c' | url_decode }} {{ 'Été 1!' | slugify }}",
            "a+b%26%C3%A9 a b c été-1",
        ),
        ("{{ name | truncate: 6 }} {{ name | truncatewords: 1 }} {{ name | slice: -4, 2 }}", "Ada... Ada... la"),
        ("{{ name | replace: 'a', 'o' | remove_first: 'o' | capitalize }}", "Ad loveloce"),
        (
            "{{ list | join: '-' }} {{ list | compact | size }} {{ list | push: 9 | last }} {{ list | shift | first }}",
            "1-a--2,3 3 9 a",
        ),
        ("{{ products | where: 'id', 2 | json }}{{ products | sum: 'id' }}", '[{"id":2,"name":"B"}]3'),
        ("{{ nul | default: 'x' }}{{ empty | default: 'y' }}{{ no | default: 'z', allow_false: true }}", "xyfalse"),
        ("{{ time | date: '%Y-%m-%d %-I:%M %p %j %A' }}", "2024-05-06 7:08 AM 127 Monday"),
        ("{{ 0 | date: '%s %L %z %:z %^b %e|%05d', 'Asia/Tokyo' }}", "0 000 +0900 +09:00 JAN  1|00001"),
        ("{{ 'no date' | date: '%Y' }}{{ nul | date: '%Y' }}", "no date"),
        ("{{ 'aGk=' | base64_decode }}{{ 'hi' | base64_encode }}{{ (1..3) | join: ',' }}", "hiaGk=1,2,3"),
        ("{% assign x = '\U0001f600!' %}{{ x[0] | base64_encode }}{{ 'é' | base64_encode }}", "77+9w6k="),
        ("{{ '\U0001f600!' | split: '' }}", "\U0001f600!"),
        ("{{ event.properties.name }}", ""),
        (
            "{% if words.and and words.or == '<or>' and words.empty != empty %}{{ 'a.not' | append: words.not }}{% endif %}",
            "a.not<not>",
        ),
        (
            "{% assign limit = words.limit %}{{ limit }}{{ words['limit'].size }}{{ words.empty.size }}{{ '.in' }}",
            "<limit>77.in",
        ),
        ("words.limit {% raw %}{{ words.limit }}{% endraw %}", "words.limit {{ words.limit }}"),
        ("{% if not no and no %}a{% endif %}{% if not yes or yes %}b{% endif %}", "b"),
        ("{% if not 1 == 2 and no %}a{% elsif not n > 5 and not not yes or no %}b{% endif %}", "b"),
        ("{% unless not yes and no %}a{% endunless %}{% if not not no or not no and yes %}b{% endif %}", "ab"),
        ("{% if name contains 'Ada' == yes %}a{% else %}b{% endif %}", "b"),
        ("a{% break %}b", "a"),
        ("a{% if yes %}b{% continue %}c{% endif %}d", "ab"),
        ("a{% capture x %}b{% break %}{% endcapture %}{{ x }}", "a"),
        ("{% liquid\necho n\nbreak\necho n\n%}x", "2"),
    ],
)
def test_templates_render_as_liquidjs_renders_them(template: str, expected: str) -> None:
    assert _render(template) == expected


@pytest.mark.parametrize("word", _RESERVED)
def test_a_reserved_word_behind_a_dot_is_a_key(word: str) -> None:
    assert _render(f"{{{{ words.{word} }}}}") == f"<{word}>"


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'now' | date: '%Y' }}",
        "{{ missing | default: 'today' | date_to_string }}",
        "{% if no %}{% assign x = 'now' | date: '%Y' %}{% endif %}",
    ],
)
def test_a_template_that_formats_the_current_time_is_refused_before_any_event(template: str) -> None:
    _transform, faults = compile_with_faults({"@liquid": template})
    assert "the current time would differ" in faults[0]


@pytest.mark.parametrize(
    "template",
    [
        "{{ " + "a[" * 320 + "'k'" + "]" * 320 + " }}",
        "{% if " + "not " * 230 + "yes %}x{% endif %}",
        "{% if " + "yes and " * 115 + "yes %}x{% endif %}",
        "{% if yes %}" * 40 + "x" + "{% endif %}" * 40,
    ],
)
def test_deep_templates_do_no_worse_than_an_error_of_ours(template: str) -> None:
    with contextlib.suppress(MappingError):
        assert isinstance(_render(template), str)


@pytest.mark.parametrize(
    "template",
    [
        "{{ name",
        "{{ $.name }}",
        "{% if name %}",
        "{% unknown %}",
        "{% for x in list %}{% endfor %}",
        "{% case n %}{% when 2 %}{% endcase %}",
        "{% include 'x' %}",
        "{% render 'x' %}",
        "{% tablerow x in list %}{% endtablerow %}",
        "{{ list | sort }}",
        "{{ list | map: 'id' }}",
        "{{ list | reverse }}",
        "{{ '%' | url_decode }}",
        "{{ 'x!y' | base64_decode }}",
        "{% assign x = 'now' %}{{ x | date: '%Y' }}",
        "{{% if n %}",
        "x" * 1001,
        "\ue000",
    ],
)
def test_what_segment_disables_or_fails_at_fails(template: str) -> None:
    with pytest.raises(MappingError):
        _render(template)


@pytest.mark.parametrize(
    "template",
    [
        "{% assign a = 'xxxxxxxxxx' %}" + "{% assign a = a | append: a %}" * 30 + "{{ a }}",
        "{{ (1..1000000000) | join }}",
        "{{ 'aaaaaaaaaa' " + "| replace: 'a','aaaaaaaaaa' " * 20 + "}}",
        "{% assign a = 'x' | split: ',' %}" + "{% assign a = a | push: a %}" * 25 + "{{ a }}",
        "{% assign a = 'x' | split: ',' %}" + "{% assign a = a | push: a %}" * 25 + "{% if a == a %}{% endif %}",
        "{% assign a = 'x' | split: ',' %}" + "{% assign a = a | push: a %}" * 25 + "{{ a | json }}",
    ],
)
def test_bombs_are_defused(template: str) -> None:
    with pytest.raises(MappingError, match="makes too much of this event"):
        _render(template)
