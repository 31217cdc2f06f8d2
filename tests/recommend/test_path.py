"""The path of a recommended item: at most twelve nodes, from the shelf to the item, of the answer's own graph."""

from __future__ import annotations

import answering
import pytest
import toy

from star.recommend.path import MOST, READERS, path
from star.recommend.recommendation import Query, Recommendation


def check(answer: Recommendation, catalog: object) -> None:
    nodes = {node.id for node in answer.nodes}
    for entry in answer.items:
        found = path(answer, entry.item, catalog)  # type: ignore[arg-type]
        assert len(found.nodes) <= MOST and len(set(found.nodes)) == len(found.nodes)
        assert found.nodes[0] == "user" and found.nodes[-1] == f"i:{entry.item}" and set(found.nodes) <= nodes
        assert sum(node.startswith("r:") for node in found.nodes) <= READERS
        ends = {end for e in found.edges for end in (answer.edges[e].source, answer.edges[e].target)}
        assert ends <= set(found.nodes) and set(found.nodes[1:-1]) <= ends
        others = {f"i:{other.item}" for other in answer.items} - {f"i:{entry.item}"}
        assert not others & set(found.nodes)


@pytest.mark.parametrize("name", answering.NAMES)
@pytest.mark.parametrize("place", range(3))
def test_paths_are_short_and_lead_from_the_shelf(name: str, place: int) -> None:
    system = answering.recommender(name)
    *_, answer = system.stream(answering.query(place, 12))
    check(answer, system.dataset.catalog)


def test_a_long_shelf() -> None:
    data = toy.dataset()
    *_, answer = toy.ToyRecommender(data, 0).stream(Query(tuple(range(20))))
    check(answer, data.catalog)
