"""The grammar, both ways: what the teacher writes is read back as what the tools said."""

from __future__ import annotations

import re

import pytest
import toys
from hypothesis import given, settings
from hypothesis import strategies as st

from star.evidence.claims import STRENGTHS, Claim
from star.trace.grammar import (
    REMARKS,
    TAGS,
    TOOLS,
    CallContext,
    TraceError,
    call_words,
    genre_word,
    line,
    prompt,
    read_line,
    response_words,
    spoken,
)
from star.trace.steps import Trace, parse, steps_of

SEEDS = range(60)


def written(trace: Trace) -> list[str]:
    """A trace in words again."""
    return [word for step in trace.steps for word in (f"<{step.type}>", *step.words, f"</{step.type}>")]


@pytest.mark.parametrize("seed", SEEDS)
def test_round_trip(seed: int) -> None:
    tools, run = toys.mars(seed)
    words = run.words()
    assert all(word and not re.search(r"\s", word) for word in words)
    trace = parse(words, len(tools.history))
    assert written(trace) == words
    assert trace.ranking == run.order[:5]
    calls = [m.response for m in run.log if m.response is not None]
    assert [(s.name, s.arguments) for s in trace.steps if s.type == "tool_call"] == [
        (r.name, r.arguments) for r in calls
    ]
    answers = [s for s in trace.steps if s.type == "tool_response"]
    for response, step in zip(calls, answers, strict=True):
        made = [e.claim for evidence in response.lines for e in evidence]
        assert list(step.claims) == (made or [Claim("opinion", label="nothing")])


@pytest.mark.parametrize("seed", SEEDS)
def test_claims_are_written_as_they_were_read(seed: int) -> None:
    tools, run = toys.mars(seed)
    for step in parse(run.words(), len(tools.history)).steps:
        if step.type != "tool_response" or step.words[0] == "nothing":
            continue
        lines: list[list[Claim]] = []
        for claim in step.claims:
            if not lines or claim.subject is None or lines[-1][0].subject != claim.subject:
                lines.append([])
            lines[-1].append(claim)
        assert [w for claims in lines for w in line(claims)] == list(step.words)


def test_each_form_of_a_line() -> None:
    context = CallContext(shelf=8)
    context.heard("user_cf", (30,))
    context.heard("item_cf", (5,))
    words = "<i7> good next_weak sequel_2 author_3 x3.1 412 /1204 <i3> <i7>".split()
    assert read_line(words, context) == [
        Claim("pull", 7, None, {"window": 5}, "good"),
        Claim("read_next", 7, None, {"window": 5}, "weak"),
        Claim("series", 7, None, {"number": 2}, label="sequel"),
        Claim("author", 7, None, {"books": 3}),
        Claim("co_read", 7, 3, {"both": 412, "of": 1204, "lift": 3.1}),
    ]
    assert read_line("<i7> faint series_0.5 few".split(), context) == [
        Claim("pull", 7, None, {"window": 5}, "faint"),
        Claim("series", 7, None, {"number": 0.5}, label="series"),
        Claim("co_read", 7, None, {"window": 5}),
    ]
    assert read_line("<i7> similar_strong 12/30 <i7>".split(), context) == [
        Claim("similar", 7, None, {"of": 30, "both": 12}, "strong")
    ]
    assert read_line("<i7> similar_fair few <i7>".split(), context) == [
        Claim("similar", 7, None, {"of": 30}, "fair")
    ]
    assert read_line("_science_fiction 3 of 8".split(), context) == [
        Claim("genre", numbers={"books": 3, "of": 8}, label="science fiction")
    ]
    assert read_line("signals differ on <i1> <i2>".split(), context) == [
        Claim("opinion", label="signals differ on <i1> <i2>")
    ]


def windows(*steps: str) -> list[float]:
    """Windows of the `pull` claims in the reflection behind these calls and answers, on a shelf of 12."""
    words = f"<plan> </plan> {' '.join(steps)} <recommend> <i1> <i2> <i3> <i4> <i5> </recommend>".split()
    claims = [c for s in parse(words, 12).steps if s.type == "reflection" for c in s.claims]
    return [c.numbers["window"] for c in claims if c.kind == "pull"]


QUOTE = "<reflection> <i1> weak few <i1> ; <i2> weak few <i2> ; </reflection>"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (("item_cf 5", "<i1> weak few <i1> ; <i2> weak few <i2> ;"), [5, 5]),
        (("item_cf 20", "<i1> weak few <i1> ; <i2> weak few <i2> ;"), [12, 12]),
        (
            (
                "item_cf 10",
                "<i1> weak few <i1> ; <i2> weak few <i2> ;",
                "item_cf 5 <i2>",
                "<i2> weak few <i2> ;",
            ),
            [10, 5],
        ),
        # a second look that found nothing leaves the first line standing
        (
            (
                "item_cf 10",
                "<i1> weak few <i1> ; <i2> weak few <i2> ;",
                "item_cf 5 <i1> <i2>",
                "<i1> weak few <i1> ;",
            ),
            [5, 10],
        ),
        (
            (
                "item_cf 5 <i2>",
                "<i2> weak few <i2> ;",
                "item_cf 10",
                "<i1> weak few <i1> ; <i2> weak few <i2> ;",
            ),
            [10, 10],
        ),
        (
            (
                "item_cf 5",
                "<i1> weak few <i1> ; <i2> weak few <i2> ;",
                "user_cf 30",
                "<i1> similar_weak few <i1> ;",
            ),
            [5, 5],
        ),
    ],
)
def test_a_quote_speaks_of_the_last_answer_about_its_item(
    steps: tuple[str, ...], expected: list[float]
) -> None:
    pairs = zip(steps[::2], steps[1::2], strict=True)
    parts = [f"<tool_call> {c} </tool_call> <tool_response> {a} </tool_response>" for c, a in pairs]
    assert windows(*parts, QUOTE) == expected


PLAN = "<plan> know the shelf first ; </plan>"
CALL = "<tool_call> item_cf 5 </tool_call>"
ANSWER = "<tool_response> <i1> weak few <i1> ; </tool_response>"
END = "<recommend> <i1> <i2> <i3> <i4> <i5> </recommend>"
BROKEN = {
    "empty": "",
    "no plan": f"{CALL} {ANSWER} {END}",
    "no ranking": f"{PLAN} {CALL} {ANSWER}",
    "two rankings": f"{PLAN} {END} {END}",
    "ranking not last": f"{PLAN} {END} <reflection> </reflection>",
    "open plan": "<plan> know the shelf first ;",
    "open ranking": f"{PLAN} <recommend> <i1> <i2> <i3> <i4> <i5>",
    "wrong closing tag": f"<plan> </reflection> {END}",
    "nested": f"<plan> <plan> </plan> {END}",
    "text outside": f"{PLAN} well {END}",
    "text after": f"{PLAN} {END} well",
    "closing outside": f"{PLAN} </plan> {END}",
    "tag with a wrong bracket": f"<plan; </plan> {END}",
    "unknown tag": f"{PLAN} <think> </think> {END}",
    "plan not closed by ;": f"<plan> know the shelf first </plan> {END}",
    "unknown tool": f"{PLAN} <tool_call> search 5 </tool_call> {ANSWER} {END}",
    "no tool": f"{PLAN} <tool_call> </tool_call> {ANSWER} {END}",
    "item for a number": f"{PLAN} <tool_call> item_cf <i5> </tool_call> {ANSWER} {END}",
    "number for an item": f"{PLAN} <tool_call> item_cf 5 5 </tool_call> {ANSWER} {END}",
    "negative argument": f"{PLAN} <tool_call> item_cf -5 </tool_call> {ANSWER} {END}",
    "huge argument": f"{PLAN} <tool_call> item_cf {'9' * 5000} </tool_call> {ANSWER} {END}",
    "call without answer": f"{PLAN} {CALL} {END}",
    "no number, no answer": f"{PLAN} <tool_call> user_cf </tool_call> {END}",
    "answer without call": f"{PLAN} {ANSWER} {END}",
    "two answers": f"{PLAN} {CALL} {ANSWER} {ANSWER} {END}",
    "four ranked": f"{PLAN} <recommend> <i1> <i2> <i3> <i4> </recommend>",
    "six ranked": f"{PLAN} <recommend> <i1> <i2> <i3> <i4> <i5> <i6> </recommend>",
    "repeat ranked": f"{PLAN} <recommend> <i1> <i2> <i3> <i4> <i1> </recommend>",
    "word ranked": f"{PLAN} <recommend> <i1> <i2> <i3> <i4> <i5> ; </recommend>",
    **{
        f"line {text!r}": f"{PLAN} {CALL} <tool_response> {text} </tool_response> {END}"
        for text in (
            ";", "<i1> ;", "<i1> weak few <i1>", "<i1> great few <i1> ;", "<i1> few weak <i1> ;",
            "weak few <i1> ;", "<i2> weak few <i1> ;", "<i1> <i1> ;", "<i1> next_weak weak ;", "<i1> next_ <i1> ;",
            "<i1> good 5 /9 <i2> <i1> ;", "<i1> good x2 5 /<i3> <i2> <i1> ;", "<i1> good x2 5 of 9 <i2> ;",
            "<i1> good 2 5 /9 <i2> <i1> ;", "<i1> good x2 5 /9 <i2> few ;", "<i1> good good ;",
            "<i1> similar_good <i1> ;", "<i1> similar few ;", "<i1> similar_great few ;", "<i1> good similar_good few ;",
            "<i1> similar_good 5 ;", "<i1> similar_good 5 /30 ;", "<i1> sequel_ <i1> ;", "<i1> sequel 2 ;",
            "<i1> author_few <i1> ;", "_epic 3 ;", "_epic 3 of 4 <i1> ;", "_epic few of 4 ;", "_epic 3/4 ;",
            "both point at <i1> ;", "both point to few ;", "well said ;", "nothing at all ;",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("words", BROKEN.values(), ids=BROKEN)
def test_broken(words: str) -> None:
    with pytest.raises(TraceError):
        parse(words.split(), 5)


def test_the_table_breaks_what_is_whole() -> None:
    assert parse(f"{PLAN} {CALL} {ANSWER} {END}".split(), 5).ranking == (1, 2, 3, 4, 5)
    assert parse(f"{PLAN} <recommend> <i3> </recommend>".split(), 5, k=1).ranking == (3,)


VOCABULARY = [
    *(f"<{t}>" for t in TAGS), *(f"</{t}>" for t in TAGS), *TOOLS, *STRENGTHS, ";", "of", "few",
    "next_good", "sequel_2", "series_0.5", "author_1", "similar_weak", "nothing", "6/30", "/40",
    "5", "30", "-1", "2.5", "x1.2", "x12",
    "<i1>", "<i2>", "<i77>", "_epic",
    "", "<", "²",
    "9" * 400, f"<i{'9' * 5000}>", *{w for r in REMARKS for w in r.split()},
]  # fmt: skip


@given(st.lists(st.sampled_from(VOCABULARY) | st.text(max_size=6), max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_words_are_a_trace_or_a_trace_error(words: list[str]) -> None:
    try:
        assert written(parse(words, 5)) == words
    except TraceError:
        pass


@given(
    st.integers(0, 20),
    st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from(VOCABULARY), st.integers(0, 2)),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=200, deadline=None)
def test_a_damaged_trace_is_a_trace_or_a_trace_error(seed: int, damage: list[tuple[int, str, int]]) -> None:
    _, run = toys.mars(seed)
    words = run.words()
    for place, word, kind in damage:
        at = place % len(words)
        words[at : at + (kind > 0)] = [] if kind == 2 else [word]
    try:
        assert written(parse(words, 5)) == words
    except TraceError:
        pass


def test_steps_of_an_unfinished_trace() -> None:
    words = "<plan> a ; </plan> <tool_call> item_cf".split()
    assert list(steps_of(words)) == [("plan", ("a", ";"), True), ("tool_call", ("item_cf",), False)]


def test_calls_and_empty_answers() -> None:
    tools = toys.hand_tools([7], [6, 1])
    assert call_words("item_cf", [5, 6]) == ["<tool_call>", "item_cf", "5", "<i6>", "</tool_call>"]
    assert call_words("profile", []) == ["<tool_call>", "profile", "</tool_call>"]
    assert response_words(tools.call("item_cf", [5])) == [
        "<tool_response>",
        "nothing",
        ";",
        "</tool_response>",
    ]


def test_prompt_shows_the_last_twenty() -> None:
    words = prompt(range(30), [40, 41])
    assert words[:3] == ["<history>", "30", "<i10>"] and words[-3:] == ["<candidates>", "<i40>", "<i41>"]
    assert len(words) == 2 + 20 + 3


def test_spoken() -> None:
    catalog = toys.hand_catalog()
    text = spoken([genre_word("science fiction"), "3", "of", "4", ";", "<i0>", ";"], catalog)
    assert text == "science fiction 3 of 4; “Volume 1”;"
    line = "<i0> similar_good 12/50 ; <i0> weak next_fair series_2 x1.4 6 /40 <i0> ;".split()
    assert spoken(line, catalog) == (
        "“Volume 1” similar good 12 of 50; “Volume 1” weak next fair series 2 x1.4 6 of 40 “Volume 1”;"
    )
