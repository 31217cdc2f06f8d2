"""Citation: the teacher quotes to the letter, so every quotation finds its line; what no tool said finds none."""

from __future__ import annotations

import pytest
import toys

from star.trace.citation import citations
from star.trace.grammar import RANKED
from star.trace.steps import parse


@pytest.mark.parametrize("seed", range(30))
def test_the_teachers_quotations_are_found(seed: int) -> None:
    tools, run = toys.mars(seed)
    trace = parse(run.words(), len(tools.history))
    said = citations(trace, len(tools.history))
    assert len(said.written) == len(said.quoted)
    for line, place in zip(said.written, said.quoted, strict=True):
        if line.about is None:
            assert place is None
        else:
            quoted = said.heard[place]  # type: ignore[index]
            assert quoted.about == line.about and set(line.words) <= set(quoted.words)
            later = [h for h in said.heard if h.tool == quoted.tool and h.about == line.about]
            assert quoted in later and (quoted is later[-1] or quoted.claims != later[-1].claims)
    about = {subject for _, subject in said.cited if isinstance(subject, int)}
    heard = {subject for _, subject in said.units}
    assert about == {item for item in run.order[:3] if item in heard}
    there = [h for h in said.heard if h.about in trace.ranking]
    some, of = said.recall(trace.ranking)
    assert len(trace.ranking) == RANKED and of == len(there) and 0 < some < of + 1
    assert some == len(
        {p for p, w in zip(said.quoted, said.written, strict=True) if w.about in trace.ranking}
    )


TRACE = """<plan> look back 10 books ; </plan>
<tool_call> user_cf 50 </tool_call>
<tool_response> <i1> similar_good 9/50 <i1> ; <i2> similar_weak few <i2> ; </tool_response>
<tool_call> item_cf 10 </tool_call>
<tool_response> <i1> strong next_fair x2 10 /40 <i7> <i1> ; <i3> weak few <i3> ; </tool_response>
<reflection> {} </reflection>
<recommend> <i1> <i2> <i3> <i4> <i5> </recommend>"""


@pytest.mark.parametrize(
    ("reflection", "quoted", "cited"),
    [
        ("<i1> similar_good 9/50 ;", (0,), [("user_cf", 1)]),
        ("<i1> strong next_fair x2 11 /40 <i7> ;", (2,), [("item_cf", 1)]),  # one number miscopied
        ("<i1> faint next_weak x3 11 /40 <i7> ;", (None,), []),  # nothing in it is the tool's
        ("<i2> strong next_fair x2 10 /40 <i7> ;", (None,), []),  # said of another
        ("both point to <i1> ; evidence is thin ;", (None, None), []),
        ("<i3> weak few ; <i1> similar_good 9/50 ;", (3, 0), [("user_cf", 1), ("item_cf", 3)]),
    ],
)
def test_which_line_is_quoted(
    reflection: str, quoted: tuple[int | None, ...], cited: list[tuple[str, int]]
) -> None:
    said = citations(parse(TRACE.format(reflection).split(), 20), 20)
    assert said.quoted == quoted and list(said.cited) == cited
    assert said.units == (("user_cf", 1), ("user_cf", 2), ("item_cf", 1), ("item_cf", 3))
    assert said.recall((1, 2, 3, 4, 5)) == (len(cited), 4) and said.recall((4, 5)) == (0, 0)


def test_the_latest_of_two_looks_is_quoted() -> None:
    second = (
        "<tool_call> item_cf 20 <i1> </tool_call> <tool_response> <i1> strong next_fair x2 10 /40 <i7> <i1> ;"
    )
    text = TRACE.replace("<reflection>", f"{second} </tool_response> <reflection>")
    said = citations(parse(text.format("<i1> strong next_fair x2 10 /40 <i7> ;").split(), 20), 20)
    assert said.quoted == (4,) and said.cited == (("item_cf", 1),)
    assert said.recall((1,)) == (1, 3)
