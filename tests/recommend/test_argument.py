"""The argument as prose: verdict, why each item, what spoke against it, what was left out."""

from __future__ import annotations

from dataclasses import replace

import answering
import pytest
import toy
import toys

from star.data.words import BOOK
from star.evidence.claims import Claim
from star.recommend.argument import argument, dropped, figure, shortlist
from star.recommend.readable import truth
from star.recommend.reasons import plain
from star.recommend.recommendation import CheckedClaim, Query, Recommendation, Recommended

CATALOG = toys.hand_catalog()


def own(claim: Claim, verdict: str = "supported", text: str = "") -> CheckedClaim:
    return CheckedClaim(claim, text, {}, (), "model", verdict)  # type: ignore[arg-type]


def answer(*claims: CheckedClaim, ranking: tuple[int, ...] = (4, 5)) -> Recommendation:
    items = tuple(Recommended(n, item, 0.5, "") for n, item in enumerate(ranking, 1))
    return Recommendation("d", "c", Query((0, 3)), (4, 5, 6, 7), claims=claims, items=items, finished=True)


LOOK = own(Claim("opinion", label="look again at <i4> <i5> <i6>"), "opinion")
WHOLE = own(Claim("whole", 4, None, {"rank": 1, "among": 20}, "strong"))
LOW = own(Claim("similar", 4, None, {"both": 6, "of": 50, "rank": 17, "among": 20}, "faint"))
OVER = own(Claim("over", 4, 6, {}, label="whole"))


def test_moves_in_order() -> None:
    made = argument(answer(LOOK, WHOLE, LOW, OVER), CATALOG)
    assert [(passage.kind, passage.item) for passage in made] == [
        ("verdict", None),
        ("why", 4),
        ("why", 5),
        ("dropped", 6),
    ]
    verdict, first, second, out = made
    assert [plain(each, CATALOG) for each in verdict.sentences] == [
        "It recommends Book 4 first, then Book 5.",
        "It chose them from 3 that it looked at again, of the 4 books that the graph offered.",
    ]
    assert [plain(each, CATALOG) for each in first.sentences] == [
        "The shelf as a whole points strongly to this.",
        "It stands above Book 6 in what the whole shelf leads to.",
    ]
    assert [plain(each, CATALOG) for each in first.against] == ["Similar readers put it in the lower half."]
    assert second.sentences == second.against == ()
    assert [plain(each, CATALOG) for each in out.against] == ["Book 4 stands above it in what the whole shelf leads to."]


def test_what_the_graph_does_not_bear_out_is_said() -> None:
    wrong = own(Claim("co_read", 4, 0, {"both": 9, "of": 20, "lift": 3.0}), "unsupported", "9 of 20 read it")
    remark = own(Claim("opinion", label="evidence is thin"), "opinion", "evidence is thin")
    made = argument(answer(WHOLE, wrong, remark), CATALOG)
    said = [(made[n].kind, plain(made[n].sentences[0], CATALOG)) for n in (1, -1)]
    assert said == [("unsupported", "9 of 20 read it."), ("opinion", "Evidence is thin.")], "before it is used"
    assert not any(1 in s.claims for p in (made[0], *made[2:]) for s in (*p.sentences, *p.against))


def test_a_single_item_and_none() -> None:
    (verdict, *_) = argument(answer(ranking=(4,)), CATALOG)
    assert plain(verdict.sentences[0], CATALOG) == "It recommends Book 4."
    assert argument(answer(ranking=()), CATALOG) == ()
    assert shortlist(answer()) == ([], None) and dropped(answer(OVER)) == [6]


def test_nothing_speaks_for_an_item() -> None:
    silent = own(Claim("silent", 5, None, {"window": 3, "of": 50}))
    made = argument(answer(silent), CATALOG)
    assert [plain(each, CATALOG) for each in made[2].against] == ["No signal speaks for it."]


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (Claim("co_read", 4, 0, {"both": 1200, "of": 2000, "lift": 2.0}), "1,200 of 2,000 readers"),
        (LOW.claim, "6 of 50 readers"),
        (WHOLE.claim, "first of 20"),
        (Claim("carried", 4, 0, {"share": 61}, label="whole"), "61 %"),
        (OVER.claim, ""),
        (Claim("co_read", 4, None, {"window": 5}), ""),
    ],
)
def test_figures(claim: Claim, words: str) -> None:
    assert figure(claim, BOOK) == words


@pytest.mark.parametrize("name", answering.NAMES)
def test_every_sentence_but_the_verdict_has_a_claim(name: str) -> None:
    system = answering.recommender(name)
    *_, done = system.stream(answering.query(1))
    made = argument(done, system.dataset.catalog)
    assert [p.item for p in made if p.kind == "why"] == [entry.item for entry in done.items]
    for passage in made:
        for sentence in (*passage.sentences, *passage.against):
            assert sentence.claims or passage.kind == "verdict"
            for index in sentence.claims:
                assert (done.claims[index].verdict == "unsupported") == (passage.kind == "unsupported")


def test_the_toy_trace_has_an_opinion_and_a_false_statement() -> None:
    *_, done = toy.ToyRecommender(delay=0).stream(Query((3, 0)))
    kinds = [passage.kind for passage in argument(done, toy.dataset().catalog)]
    assert kinds == ["verdict", "unsupported", *["why"] * 5, "opinion"]
    assert argument(replace(done, items=()), toy.dataset().catalog) == ()


@pytest.mark.parametrize(
    ("claim", "found", "says"),
    [
        (Claim("co_read", 4, 0, {"both": 9, "of": 20}), {"both": 7.0, "of": 20.0}, "readers of both books: 7"),
        (Claim("similar", 4, None, {"both": 9, "of": 50}), {"both": 7.0, "of": 50.0}, "similar readers who read it: 7"),
        (Claim("over", 4, 6, {}, label="whole"), {}, "no such order"),
        (Claim("silent", 4), {}, "a signal that speaks for it"),
        (Claim("whole", 4, None, {"rank": 1, "among": 20}, "strong"), {}, "nothing of it"),
    ],
)  # fmt: skip
def test_what_the_graph_has_of_a_false_claim(claim: Claim, found: dict[str, float], says: str) -> None:
    assert truth(replace(own(claim, "unsupported"), found=found), BOOK) == says
