"""One pass of the student: constraints, answers put in, the cache, many at once; a tiny random model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import reading
import torch
import toys
from peft import LoraConfig, get_peft_model

from star.data.tasks import make_tasks
from star.errors import UserError
from star.evaluation import one_pass as compact
from star.evidence.tools import ASKED, WINDOWS, Tools
from star.methods.student import StarRanker
from star.student import decoding
from star.student.checkpoint import fingerprint
from star.student.decoding import MAX_CALLS, GenerationState, write, write_many
from star.student.model import Checkpoint
from star.student.vocabulary import number_features
from star.trace.grammar import item_word, prompt
from star.trace.steps import parse

CATALOG = reading.dataset().catalog


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return Checkpoint.load(str(toys.save_checkpoint(tmp_path_factory.mktemp("models") / "tiny", layers=2)))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model never comes to the point; ask for the ranking after 25 words."""
    monkeypatch.setattr(decoding, "MAX_WRITTEN", 25)


def writer(checkpoint: Checkpoint, seed: int = 0, **options: object) -> GenerationState:
    tools = toys.reading_tools(seed)
    return GenerationState(checkpoint, checkpoint.match(CATALOG), tools, **options)  # type: ignore[arg-type]


def ranking(done: GenerationState) -> list[int]:
    words = done.words
    assert words.count("<recommend>") == 1
    return [int(w[2:-1]) for w in words[words.index("<recommend>") + 1 :] if w != "</recommend>"]


def drive(done: GenerationState, seed: int | None = None) -> GenerationState:
    for _ in write(done, seed):
        pass
    return done


def push(done: GenerationState, words: str) -> None:
    """Take words as if the model had chosen them; each must have been allowed."""
    for word in words.split():
        token = done.encode([word])[0]
        allowed = done.allowed()
        assert allowed is None or token in allowed, f"{word} is masked"
        done.advance(token)


def test_checkpoint_round_trip(checkpoint: Checkpoint) -> None:
    assert checkpoint.name == "tiny" and not checkpoint.model.training
    assert checkpoint.words == toys.words()
    items = checkpoint.match(CATALOG)
    assert items.unknown == 0 and [checkpoint.words[t] for t in items.token_of] == [
        item_word(n) for n in range(reading.BOOKS)
    ]
    text = "<plan> look back 10 books ; </plan>"
    assert checkpoint.tokenizer.decode(checkpoint.tokenizer(text)["input_ids"]) == text


def test_an_adapter_by_itself_says_what_trained_it(tmp_path: Path) -> None:
    base, own = toys.save_checkpoint(tmp_path / "base"), tmp_path / "own"
    about = json.loads((base / "star.json").read_text("utf-8")) | {"stages": {"pretrain": {}, "sft": {}}}
    (base / "star.json").write_text(json.dumps(about), "utf-8")
    settings = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    get_peft_model(Checkpoint.load(str(base)).model, settings).save_pretrained(own)
    stages = {"adapter_of": str(base), "fingerprint": fingerprint(str(base)), "stages": {"dpo": {}}}
    (own / "star.json").write_text(json.dumps(stages), "utf-8")
    loaded = Checkpoint.load(str(own))
    assert loaded.adapter == "dpo" and list(loaded.about["stages"]) == ["pretrain", "sft", "dpo"]
    without = Checkpoint.load(str(own), adapter=False)
    assert without.adapter is None and without.name == "base"


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no checkpoint 'nowhere'.*train one"):
        Checkpoint.load("nowhere")
    with pytest.raises(UserError, match="no checkpoint"):
        Checkpoint.load(str(tmp_path))


def test_near_numbers_start_near() -> None:
    words = ["few", "4", "5", "90", "x1.2", "1.2", "/1.2", "series_1.2", "1.2/50"]
    vectors = number_features(words, 8)
    assert not vectors[0].any() and (vectors[4:] == vectors[5]).all()
    assert np.linalg.norm(vectors[1] - vectors[2]) < np.linalg.norm(vectors[1] - vectors[3])


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("seed", [None, 0, 1, 2])
@pytest.mark.parametrize("k", [1, 5, 10])
def test_whatever_the_model_says_the_ranking_is_of_the_candidates(
    checkpoint: Checkpoint, k: int, seed: int | None
) -> None:
    done = drive(writer(checkpoint, k, k=k), seed)
    found = ranking(done)
    assert len(found) == len(set(found)) == k and set(found) <= set(done.tools.candidates.tolist())
    assert done.finished and done.words[-1] == "</recommend>" and len(done.words) == len(done.own)
    assert done.scores is not None and done.scores.sum() == pytest.approx(1, abs=1e-5)
    assert found == done.candidates[np.argsort(-done.scores, kind="stable")][:k].tolist()
    assert done.broken and ("no ranking" in done.broken or "tool call" in done.broken)


@pytest.mark.usefixtures("short")
def test_a_ranking_is_settled_at_its_first_place(checkpoint: Checkpoint) -> None:
    done = drive(writer(checkpoint))
    assert sum(done.own[-6:]) == 5 and done.order is not None and done.order[:5].tolist() == ranking(done)


@pytest.mark.usefixtures("short")
def test_a_ranking_takes_in_the_one_by_heart(checkpoint: Checkpoint) -> None:
    """The weighted mean of the logarithms, the same on every way to an answer; what is written before it is as it was."""
    weight = 0.5
    mixing = dataclasses.replace(checkpoint, about={**checkpoint.about, "prior": weight})
    plain = [drive(writer(checkpoint, seed)) for seed in range(4)]
    expected = []
    for done in plain:
        with torch.inference_mode():
            logits = checkpoint.model(input_ids=torch.tensor([done.start()])).logits[0, -1]
        heart = logits[done.candidate_tokens()].log_softmax(0).numpy()
        assert done.scores is not None and done.prior_log_p is None
        expected.append(np.exp((np.log(done.scores) + weight * heart) / (1 + weight)))
        expected[-1] /= expected[-1].sum()
    together, turns = [writer(mixing, seed) for seed in range(4)], [writer(mixing, seed) for seed in range(4)]
    write_many(together)
    for done in turns:
        compact.by_turns(done)
    cut = [w.words[: w.words.index("<recommend>") + 1] for w in plain]
    behind = [writer(mixing, seed, words=list(words)) for seed, words in enumerate(cut)]
    begun = [drive(writer(mixing, seed, words=list(words))) for seed, words in enumerate(cut)]
    write_many(behind)
    alone = [drive(writer(mixing, seed)) for seed in range(4)]
    for way in (alone, together, turns, behind, begun):
        for done, before, p, words in zip(way, plain, expected, cut, strict=True):
            assert done.scores == pytest.approx(p, abs=1e-5) and done.words[: len(words)] == words
            assert done.scores != pytest.approx(before.scores, abs=1e-3)
            assert ranking(done) == done.candidates[np.argsort(-p, kind="stable")][:5].tolist()
    free = [writer(c, free=True) for c in (checkpoint, mixing)]
    write_many(free)
    drawn = [writer(c) for c in (checkpoint, mixing)]
    for one in drawn:
        write_many([one], seeds=[3], draw_ranking=True)
    for one, other in (free, drawn):
        assert one.words == other.words, (
            "what GRPO learns from, and what is written free, is the model's alone"
        )


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_drawn_rankings_follow_plackett_and_luce(checkpoint: Checkpoint) -> None:
    """Behind a first choice the second is drawn in proportion to its probability among those left."""
    first = drive(writer(checkpoint))
    logits = torch.full((len(checkpoint.words),), -50.0)
    tokens = first.encode([item_word(c) for c in first.candidates.tolist()])
    p = np.full(len(tokens), 0.1 / (len(tokens) - 2))
    p[[3, 7]] = 0.6, 0.3
    logits[tokens] = torch.from_numpy(np.log(p)).float()
    orders = []
    for seed in range(2000):
        drawn = writer(checkpoint)
        push(drawn, "<plan> </plan> <recommend>")
        generator = np.random.default_rng(seed)
        drawn.advance(decoding.choose(drawn, logits, generator, 1.0, draw_ranking=True))
        assert drawn.finished and len(set(ranking(drawn))) == 5
        orders.append(ranking(drawn)[:2])
    a, b = first.candidates[[3, 7]].tolist()
    share = np.mean([o[0] == a for o in orders])
    second = np.mean([o[1] == b for o in orders if o[0] == a])
    assert share == pytest.approx(0.6, abs=0.035) and second == pytest.approx(0.3 / 0.4, abs=0.045)


def test_arguments_are_those_the_tools_take(checkpoint: Checkpoint) -> None:
    for name, numbers in (("user_cf", ASKED), ("item_cf", WINDOWS), ("recent", WINDOWS)):
        done = writer(checkpoint)
        push(done, f"<plan> </plan> <tool_call> {name}")
        assert sorted(done.allowed().tolist()) == sorted(done.encode([str(n) for n in numbers]))  # type: ignore[union-attr]
        push(done, str(numbers[0]))
        after = {done.word(int(t)) for t in done.allowed()}  # type: ignore[union-attr]
        items = {item_word(c) for c in done.tools.candidates.tolist()} if name == "item_cf" else set()
        assert after == {"</tool_call>"} | items
    chosen = item_word(int(done.tools.candidates[3]))
    done = writer(checkpoint)
    push(done, f"<tool_call> item_cf 5 {chosen}")
    assert done.encode([chosen])[0] not in done.allowed()  # type: ignore[operator]
    done = writer(checkpoint)
    push(done, "<tool_call> profile")
    assert {done.word(int(t)) for t in done.allowed()} == {"</tool_call>"}  # type: ignore[union-attr]


def test_the_answer_is_put_in_behind_the_call(checkpoint: Checkpoint) -> None:
    done = writer(checkpoint)
    push(done, "<plan> know the shelf first ; </plan> <tool_call> item_cf 10")
    put = done.advance(done.encode(["</tool_call>"])[0])
    words = [done.word(t) for t in put]
    assert (
        words[0] == "<tool_response>"
        and words[-1] == "</tool_response>"
        and done.words[-len(words) :] == words
    )
    assert "<unk>" not in words and done.calls == 1 and done.own[-len(words) :] == [False] * len(words)
    push(done, "<reflection> evidence is thin ; </reflection> <recommend>")
    push(done, " ".join(item_word(c) for c in done.candidates[[4, 2, 0, 1, 3]].tolist()))
    assert done.finished and done.broken is None
    assert parse(done.words, len(done.tools.history)).ranking == tuple(
        done.candidates[[4, 2, 0, 1, 3]].tolist()
    )


@pytest.mark.parametrize("call", ["search", "<i1>", "</tool_call>", "<plan>", "nothing"])
def test_a_broken_call_ends_in_a_ranking(checkpoint: Checkpoint, call: str) -> None:
    broken = toys.parrot(
        checkpoint, toys.GOOD | {"<tool_call>": call if call in checkpoint.vocabulary else "fair"}
    )
    done = drive(writer(broken))
    assert done.broken and "tool call" in done.broken and done.calls == 0
    assert len(set(ranking(done))) == 5


def test_too_many_calls_end_in_a_ranking(checkpoint: Checkpoint) -> None:
    done = drive(writer(toys.parrot(checkpoint, toys.GOOD | {"</tool_response>": "<tool_call>"})))
    assert done.calls == MAX_CALLS + 1 and done.broken == f"more than {MAX_CALLS} tool calls"
    assert len(set(ranking(done))) == 5


def test_a_good_trace_is_whole(checkpoint: Checkpoint) -> None:
    good = toys.parrot(checkpoint, toys.GOOD)
    done = drive(writer(good))
    trace = parse(done.words, len(done.tools.history))
    assert [s.type for s in trace.steps] == ["plan", "tool_call", "tool_response", "reflection", "recommend"]
    assert (
        done.broken is None
        and done.calls == 1
        and list(trace.ranking) == sorted(done.candidates.tolist())[:5]
    )


@pytest.mark.parametrize("word", ["<eos>", "</recommend>"])
def test_an_early_end_still_ends_in_a_ranking(checkpoint: Checkpoint, word: str) -> None:
    done = drive(writer(toys.parrot(checkpoint, toys.GOOD | {"</plan>": word})))
    assert len(set(ranking(done))) == 5 and done.broken


def test_free_mode_never_masks(checkpoint: Checkpoint) -> None:
    done = writer(checkpoint, free=True)
    for word in "<plan> </plan> <tool_call> item_cf 5 </tool_call> <recommend> <i0> <i0> fair".split():
        assert done.allowed() is None
        done.advance(done.encode([word])[0])
    assert done.words[-3:] == ["<i0>", "<i0>", "fair"] and not done.finished
    done.advance(done.encode(["</recommend>"])[0])
    assert done.finished


@pytest.mark.usefixtures("short")
def test_free_mode_stops(checkpoint: Checkpoint) -> None:
    done = drive(writer(checkpoint, free=True), 3)
    assert done.finished and sum(done.own) <= 25 and (done.broken or done.words[-1] == "</recommend>")
    done = drive(
        writer(
            toys.parrot(checkpoint, {"<tool_call>": "fair", "fair": "</tool_call>"}, "<tool_call>"), free=True
        )
    )
    assert done.finished and "names none of" in str(done.broken) and "<recommend>" not in done.words


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("free", [False, True])
def test_many_at_once_write_the_same(checkpoint: Checkpoint, free: bool) -> None:
    """Prompts, answers and ends of different lengths in one batch."""
    alone = [drive(writer(checkpoint, n, free=free)) for n in range(5)]
    together = [writer(checkpoint, n, free=free) for n in range(5)]
    write_many(together)
    assert len({len(w.start()) for w in together}) > 1
    assert [w.words for w in together] == [w.words for w in alone]
    assert [w.own for w in together] == [w.own for w in alone]
    if not free:
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
    good = toys.parrot(checkpoint, toys.GOOD)
    whole = [writer(good, n) for n in range(3)]
    write_many(whole)
    assert [w.words for w in whole] == [drive(writer(good, n)).words for n in range(3)]


@pytest.mark.usefixtures("short")
def test_the_cache_changes_nothing(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row of logits the words were chosen from is that of a full pass over all tokens so far."""
    seen: list[torch.Tensor] = []
    choose = decoding.choose

    def spy(state: GenerationState, logits: torch.Tensor, *rest: object) -> int:
        seen.append(logits.clone())
        if len(seen) < 6:  # a call, so that an answer is put into the cached pass
            return state.encode(["<plan>", "</plan>", "<tool_call>", "item_cf", "5"])[len(seen) - 1]
        return state.encode(["</tool_call>"])[0] if len(seen) == 6 else choose(state, logits, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(decoding, "choose", spy)
    done = drive(writer(checkpoint, 1))
    tokens = done.start() + done.encode(done.words)
    with torch.inference_mode():
        full = checkpoint.model(input_ids=torch.tensor([tokens])).logits[0]
    before = [len(done.start()) - 1 + n for n, own in enumerate(done.own) if own]
    assert done.calls == 1 and len(before) == len(seen) + 4, "the ranking is settled at its first place"
    for place, logits in zip(before, seen, strict=False):
        torch.testing.assert_close(full[place], logits, atol=1e-4, rtol=1e-3)


@pytest.mark.usefixtures("short")
def test_same_seed_same_words(checkpoint: Checkpoint) -> None:
    one, two, other = (drive(writer(checkpoint), seed).words for seed in (7, 7, 8))
    assert one == two != other
    greedy = [drive(writer(checkpoint)).words for _ in range(2)]
    assert greedy[0] == greedy[1] != one
    many = [writer(checkpoint), writer(checkpoint)]
    write_many(many, seeds=[7, 8])
    assert [w.words for w in many] == [one, other]


@pytest.fixture(scope="module")
def partial(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A checkpoint without tokens for the last 30 books."""
    return Checkpoint.load(
        str(toys.save_checkpoint(tmp_path_factory.mktemp("models") / "partial", without=30))
    )


@pytest.mark.usefixtures("short")
def test_items_without_a_token_are_counted_and_not_recommended(partial: Checkpoint) -> None:
    items = partial.match(CATALOG)
    assert items.unknown == 30 and not items.known[90:].any() and items.known[:90].all()
    base = toys.reading_tools(0)
    tools = Tools(base.graph, CATALOG, base.attributes, [100, 3, 7], [95, 5, 91, 6, 8, 9, 10, 119])
    done = GenerationState(partial, items, tools)
    assert done._prompt == ["<history>", "3", *prompt([3, 7], [5, 6, 8, 9, 10])[2:]]
    drive(done)
    assert sorted(ranking(done)) == [5, 6, 8, 9, 10]


def test_an_answer_may_name_a_book_without_a_token(partial: Checkpoint) -> None:
    base = toys.reading_tools(0)
    tools = Tools(base.graph, CATALOG, base.attributes, [90], [60, 61, 62, 63, 0, 1])
    anchored = [e.claim.anchor for line in tools.call("item_cf", (5,)).lines for e in line]
    assert 90 in anchored
    done = drive(GenerationState(toys.parrot(partial, toys.GOOD), partial.match(CATALOG), tools))
    assert min(done.encode(done.words)) >= 0


@pytest.mark.usefixtures("short")
def test_as_a_method_of_the_table(checkpoint: Checkpoint, partial: Checkpoint) -> None:
    data, graph = reading.dataset(), reading.graph()
    tasks = make_tasks(
        data.interactions, reading.parts().test, "classic", "uniform", graph.counts, None, 6, 1
    )
    known = partial.match(CATALOG).known
    for model in (checkpoint, partial):
        ranked = StarRanker(data, graph, toys.parrot(model, toys.GOOD | {"</plan>": "<recommend>"})).rank(
            tasks
        )
        for task, one in zip(tasks, ranked, strict=True):
            assert sorted(one.order) == sorted(task.candidates)
            if model is partial:
                last = [known[i] for i in one.order]
                assert last == sorted(last, reverse=True)
    assert dataclasses.asdict(ranked[0])["model_calls"] == 1


def test_turns_say_what_one_pass_says_and_read_the_log_again(checkpoint: Checkpoint) -> None:
    model = toys.parrot(checkpoint, toys.GOOD)
    one, two = writer(model), writer(model)
    single, turns = compact.in_one_pass(one), compact.by_turns(two)
    assert one.words == two.words and parse(one.words, len(one.tools.history))
    closed = sum(word.startswith("</") and own for word, own in zip(two.words, two.own, strict=True))
    assert (single.calls, turns.calls) == (1, closed + 1)  # plan, call, reflection, and the ranking's turn
    assert single.generated == turns.generated == sum(one.own)
    assert single.prefilled == len(one.start()) and single.put_in == len(one.words) - sum(one.own)
    assert turns.prefilled > turns.calls * single.prefilled


@pytest.mark.usefixtures("short")
def test_a_pass_taken_up_behind_its_own_words_ends_as_it_did(checkpoint: Checkpoint) -> None:
    """Also beside rows of other lengths, which read many tokens at once while the others still wait."""
    done = [writer(checkpoint, seed) for seed in range(5)]
    write_many(done)
    cut = [w.words[: w.words.index("<recommend>") + 1] for w in done]
    again = [
        GenerationState(w.checkpoint, w.items, w.tools, words=list(words))
        for w, words in zip(done, cut, strict=True)
    ]
    write_many(again)
    for one, two, words in zip(done, again, cut, strict=True):
        assert one.words == two.words and two.finished and two.own[: len(words)] == [False] * len(words)
        assert two.scores == pytest.approx(one.scores, abs=1e-5)
