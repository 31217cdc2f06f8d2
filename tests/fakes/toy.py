"""A stand-in recommender for tests of the page: thirty books, two hundred made-up readers, true evidence.

It implements the `Recommender` protocol and counts in its own toy data, so verdicts on the page are real.
One sentence states a wrong number on purpose, one is an opinion.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from star.data.catalog import Catalog, Item
from star.data.dataset import Dataset
from star.data.interactions import Interactions
from star.errors import UserError
from star.evidence.claims import Claim, Edge, Verdict, sentence
from star.evidence.subgraph import Node, node_label
from star.recommend.recommendation import CheckedClaim, Query, Recommendation, Recommended, StepView, Timing

HOSTILE = '<img src=x onerror="window.hacked=1">'

BOOKS = [
    ("The Three-Body Problem", "Cixin Liu", 2008, "Remembrance of Earth's Past", 1, "science fiction"),
    ("The Dark Forest", "Cixin Liu", 2008, "Remembrance of Earth's Past", 2, "science fiction"),
    ("Death's End", "Cixin Liu", 2010, "Remembrance of Earth's Past", 3, "science fiction"),
    ("Dune", "Frank Herbert", 1965, "Dune", 1, "science fiction"),
    ("Dune Messiah", "Frank Herbert", 1969, "Dune", 2, "science fiction"),
    ("Foundation", "Isaac Asimov", 1951, "Foundation", 1, "science fiction"),
    ("Foundation and Empire", "Isaac Asimov", 1952, "Foundation", 2, "science fiction"),
    ("Hyperion", "Dan Simmons", 1989, "Hyperion Cantos", 1, "science fiction"),
    ("The Left Hand of Darkness", "Ursula K. Le Guin", 1969, None, None, "science fiction"),
    ("The Dispossessed", "Ursula K. Le Guin", 1974, None, None, "science fiction"),
    ("A Wizard of Earthsea", "Ursula K. Le Guin", 1968, "Earthsea", 1, "fantasy"),
    ("The Hobbit", "J. R. R. Tolkien", 1937, None, None, "fantasy"),
    ("The Fellowship of the Ring", "J. R. R. Tolkien", 1954, "The Lord of the Rings", 1, "fantasy"),
    ("The Two Towers", "J. R. R. Tolkien", 1954, "The Lord of the Rings", 2, "fantasy"),
    ("The Name of the Wind", "Patrick Rothfuss", 2007, "Kingkiller Chronicle", 1, "fantasy"),
    ("Pride and Prejudice", "Jane Austen", 1813, None, None, "classic"),
    ("Emma", "Jane Austen", 1815, None, None, "classic"),
    ("Jane Eyre", "Charlotte Brontë", 1847, None, None, "classic"),
    ("Middlemarch", "George Eliot", 1871, None, None, "classic"),
    ("The Odyssey", "Homer", -700, None, None, "epic"),
    ("Crime and Punishment", "Fyodor Dostoevsky", 1866, None, None, "classic"),
    ("The Brothers Karamazov", "Fyodor Dostoevsky", 1880, None, None, "classic"),
    ("The Hound of the Baskervilles", "Arthur Conan Doyle", 1902, "Sherlock Holmes", 5, "mystery"),
    ("Murder on the Orient Express", "Agatha Christie", 1934, "Hercule Poirot", 10, "mystery"),
    ("And Then There Were None", "Agatha Christie", 1939, None, None, "mystery"),
    ("The Big Sleep", "Raymond Chandler", 1939, "Philip Marlowe", 1, "mystery"),
    ("Neuromancer", "William Gibson", 1984, "Sprawl", 1, "science fiction"),
    ("Snow Crash", "Neal Stephenson", 1992, None, None, "science fiction"),
    (
        "Slaughterhouse-Five, or The Children's Crusade: A Duty-Dance with Death",
        "Kurt Vonnegut",
        1969,
        None,
        None,
        "satire",
    ),
    (HOSTILE, "O'Brien & <b>Sons</b>", 2001, None, None, "test"),
]


def dataset(seed: int = 0, readers: int = 200) -> Dataset:
    """The toy data set: each reader prefers one genre and meets series in order."""
    rng = np.random.default_rng(seed)
    items = tuple(
        Item(f"b{n}", title, (author,), year, series, number, (genre,), f"A toy theme line for number {n}.")
        for n, (title, author, year, series, number, genre) in enumerate(BOOKS, 1)
    )
    genres = np.array([item.genres[0] for item in items])
    popularity = 1 / (1 + rng.permutation(len(items)))
    histories: list[list[int]] = []
    for _ in range(readers):
        liked = rng.choice(["science fiction", "fantasy", "classic", "mystery"], p=[0.5, 0.2, 0.2, 0.1])
        weight = popularity * np.where(genres == liked, 8, 1) * (genres != "test")
        chosen = rng.choice(len(items), size=int(rng.integers(5, 14)), replace=False, p=weight / weight.sum())
        histories.append([int(i) for i in chosen])
    manifest = {
        "name": "toy",
        "title": "Toy books",
        "source": "tests/fakes/toy.py",
        "licence": "Apache-2.0",
        "simulated": True,
    }
    return Dataset("toy", Catalog(items), Interactions.from_histories(histories, len(items)), manifest)


PAYLOADS = (
    HOSTILE,
    "</script><script>window.hacked=2</script>",
    "'\"><svg onload=window.hacked=3>",
    '<a href="javascript:window.hacked=4">href</a>',
    "]]>--><iframe srcdoc='<script>parent.hacked=5</script>'></iframe>",
    "${window.hacked=6}{{window.hacked=7}}`",
)
HEBREW, REVERSED = "שלום, עולם!", "\u202eeniltfel"


def hostile(seed: int = 0) -> Dataset:
    """The toy data set with a script, a right-to-left name or a forced direction in every field that holds text."""
    data = dataset(seed)

    def spoiled(text: str, n: int) -> str:
        return f"{(*PAYLOADS, HEBREW, REVERSED)[n % (len(PAYLOADS) + 2)]} {text}"

    items = tuple(
        replace(
            item,
            id=spoiled(item.id, n),
            title=HEBREW if n == 3 else spoiled(item.title, n + 6),
            creators=(spoiled(item.creators[0], n + 1), HEBREW),
            series=spoiled("series", n + 2),
            genres=(spoiled(item.genres[0], n // 8),),
            theme=spoiled("theme", n + 3),
        )
        for n, item in enumerate(data.catalog)
    )
    users = tuple(spoiled(user, n) for n, user in enumerate(data.interactions.users))
    manifest = data.manifest | {"title": " ".join((*PAYLOADS, HEBREW, REVERSED)), "name": PAYLOADS[0]}
    return Dataset(PAYLOADS[0], Catalog(items), replace(data.interactions, users=users), manifest)


class ToyRecommender:
    """Ranks by co-reading with the last book; writes word by word, `delay` seconds per word."""

    checkpoint = "toy-counter"

    def __init__(self, data: Dataset | None = None, delay: float = 0.004) -> None:
        self.dataset = data or dataset()
        self.delay = delay

    def stream(self, query: Query) -> Iterator[Recommendation]:
        if not query.history:
            raise UserError("the shelf is empty; put at least one book on it")
        if query.k < 1:
            raise UserError(f"{query.k} books were asked for; at least 1 is needed")
        start = time.perf_counter()
        final = self._answer(query)
        done: list[StepView] = []
        first: float | None = None
        for step in final.steps:
            words = step.text.split(" ")
            for n in range(1, len(words) + 1) if step.type != "tool_response" else [len(words)]:
                first = first or time.perf_counter() - start
                partial = replace(step, text=" ".join(words[:n]), tokens=n, claims=(), finished=False)
                yield replace(
                    final,
                    steps=(*done, partial),
                    items=(),
                    nodes=(),
                    edges=(),
                    timing=Timing(first, None, sum(s.tokens for s in done) + n),
                    finished=False,
                )
                time.sleep(self.delay)
            done.append(step)
        spent = time.perf_counter() - start
        yield replace(final, timing=Timing(first, spent, sum(s.tokens for s in done), 3))

    def _answer(self, query: Query) -> Recommendation:
        catalog, matrix = self.dataset.catalog, self.dataset.interactions.matrix
        shelf = list(query.history)
        anchor = shelf[-1]
        readers_of = np.asarray(matrix.sum(axis=0)).ravel()
        both = np.asarray((matrix.T @ matrix[:, [anchor]]).todense()).ravel()
        out = {*shelf, *query.left_out}
        order = [int(i) for i in np.argsort(-both, kind="stable") if int(i) not in out][: max(query.k, 5)]
        edges: list[Edge] = [Edge("user", f"i:{i}", "read") for i in shelf]
        claims: list[CheckedClaim] = []

        def add(
            claim: Claim,
            path: list[Edge],
            author: str,
            verdict: Verdict,
            found: dict[str, float] | None = None,
        ) -> int:
            for edge in path:
                if edge not in edges:
                    edges.append(edge)
            claims.append(
                CheckedClaim(
                    claim,
                    sentence(claim, catalog),
                    dict(claim.numbers) if found is None else found,
                    tuple(edges.index(e) for e in path),
                    author,
                    verdict,  # type: ignore[arg-type]
                )
            )
            return len(claims) - 1

        def co_read(item: int) -> Claim:
            n = len(self.dataset.interactions)
            chance = readers_of[item] * readers_of[anchor] / n
            lift = round(float(both[item] / chance), 1) if chance else 0.0
            return Claim(
                "co_read",
                item,
                anchor,
                {"both": float(both[item]), "of": float(readers_of[anchor]), "lift": lift},
                "good",
            )

        first = [
            add(
                co_read(i),
                [
                    Edge("user", f"i:{anchor}", "read"),
                    Edge(f"i:{anchor}", f"i:{i}", "co_read", float(both[i])),
                ],
                "tool",
                "supported",
            )
            for i in order[:4]
        ]
        second = []
        near = np.asarray(matrix @ matrix[[0]].T.todense()).ravel().argsort()[::-1][:6]
        for item in order[2:5]:
            path = []
            for reader in near:
                path += [
                    Edge("user", f"r:{int(reader)}", "similar", 4.0),
                    Edge(f"r:{int(reader)}", f"i:{item}", "read"),
                ]
            second.append(
                add(Claim("similar", item, None, {"both": 5.0, "of": 6.0}, "fair"), path, "tool", "supported")
            )
        genre = catalog[anchor].genres[0]
        held = [i for i in shelf if genre in catalog[i].genres]
        third = [
            add(
                Claim("genre", None, None, {"books": float(len(held)), "of": float(len(shelf))}, label=genre),
                [Edge(f"i:{i}", f"g:{genre}", "genre") for i in held],
                "tool",
                "supported",
            )
        ]
        repeat = add(
            co_read(order[0]),
            [
                Edge("user", f"i:{anchor}", "read"),
                Edge(f"i:{anchor}", f"i:{order[0]}", "co_read", float(both[order[0]])),
            ],
            "model",
            "supported",
        )
        wrong = co_read(order[1])
        found = dict(wrong.numbers)
        wrong = replace(wrong, numbers={**wrong.numbers, "both": wrong.numbers["both"] + 40})
        false = add(
            wrong,
            [Edge(f"i:{anchor}", f"i:{order[1]}", "co_read", found["both"])],
            "model",
            "unsupported",
            found,
        )
        opinion = add(
            Claim(
                "opinion",
                order[0],
                None,
                label=f"{catalog[order[0]].title} keeps the scale and the patience of this shelf",
            ),
            [],
            "model",
            "opinion",
        )
        titles = [catalog[i].title for i in order]
        texts = [c.text for c in claims]
        steps = (
            StepView(
                "plan",
                f"The shelf leans to {genre}, lately {catalog[anchor].title}. "
                "First ask who else read it, then what "
                "similar readers went on to, then whether the genre carries the shelf.",
                0.21,
                28,
            ),
            StepView(
                "tool_call",
                '{"name": "item_cf"}',
                0.05,
                9,
                (),
                "item_cf",
                {"anchor": catalog[anchor].title, "top": 4},
            ),
            StepView("tool_response", "\n".join(texts[i] for i in first), 0.01, 0, tuple(first), "item_cf"),
            StepView("tool_call", '{"name": "user_cf"}', 0.05, 8, (), "user_cf", {"readers": 6}),
            StepView("tool_response", "\n".join(texts[i] for i in second), 0.02, 0, tuple(second), "user_cf"),
            StepView("tool_call", '{"name": "genres"}', 0.04, 7, (), "genres", {"window": len(shelf)}),
            StepView("tool_response", texts[third[0]], 0.01, 0, tuple(third), "genres"),
            StepView(
                "reflection",
                f"The co-readers agree with the genre. {texts[repeat]}. {texts[false]}. {texts[opinion]}. "
                "The similar readers are few, so they only break ties.",
                0.34,
                61,
                (repeat, false, opinion),
            ),
            StepView("recommend", "\n".join(titles[: query.k]), 0.08, 6),
        )
        items = tuple(
            Recommended(
                n,
                i,
                round(0.42 / n, 3),
                f"{both[i]:.0f} of the readers of {catalog[anchor].title} read it too",
            )
            for n, i in enumerate(order[: query.k], 1)
        )
        recommended = {r.item for r in items}
        names = dict.fromkeys(["user", *(f"i:{i}" for i in shelf), *(f"i:{r.item}" for r in items)])
        names.update(dict.fromkeys(n for e in edges for n in (e.source, e.target)))

        def kind(node: str) -> str:
            if node.startswith("i:"):
                index = int(node[2:])
                return "history" if index in shelf else "recommended" if index in recommended else "candidate"
            return {"u": "user", "r": "reader", "g": "genre"}[node[0]]

        nodes = tuple(Node(n, kind(n), node_label(n, catalog)) for n in names)
        return Recommendation(
            "toy",
            self.checkpoint,
            query,
            tuple(order),
            "\n".join(s.text for s in steps),
            steps,
            tuple(claims),
            items,
            nodes,
            tuple(edges),
            Timing(),
            True,
        )


def load(name: str = "toy", model: str | None = None) -> ToyRecommender:
    """Same signature as `star.recommend.recommender.load`."""
    return ToyRecommender()
