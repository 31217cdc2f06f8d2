"""Tables of trace quality, erasure, candidate swaps and the cost of turns, from `trace_quality` in the document."""

from __future__ import annotations

from typing import Any

from star.evaluation.tabular import Table

NOTHING = Table("", (), ())
COLUMNS = {
    "valid": "valid",
    "call_validity": "valid calls",
    "claim_precision": "claim precision",
    "claim_recall": "claim recall",
    "numbers_quoted": "numbers quoted",
    "four_numbers": "quoting four or more",
    "distinct_lines": "distinct lines",
    "distinct_plans": "distinct plans",
    "generated_tokens": "words written",
    "tool_calls": "tool calls",
}
READINGS = {"anew": "regenerated", "forced": "teacher-forced"}
MODES = {"served": "constrained", "free": "unconstrained"}
KINDS = {
    "pull": "co-reading",
    "read_next": "what is read next",
    "similar": "similar readers",
    "whole": "the whole shelf",
    "latest": "the last three books",
    "last": "the last book",
    "after": "what comes after",
}
ARMS = {
    "cited": "cited evidence",
    "random": "as many lines at random",
    "others": "as many lines about others",
    "kept": "all but cited evidence",
    "kept at random": "all but as many lines at random",
}


def trace_tables(quality: dict[str, Any]) -> list[Table]:
    """All tables of an evaluation's `trace_quality`; a table without data has no rows."""
    return [make(quality) for make in TABLES]


def _figure(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3g}"


def _traces(quality: dict[str, Any]) -> Table:
    """Quality of the student's traces, constrained and unconstrained."""
    if "served" not in quality:
        return NOTHING
    names = [name for name in COLUMNS if name in quality["served"]]
    body = tuple((title, *(_figure(quality[mode][name]) for name in names)) for mode, title in MODES.items())
    caption = (
        f"{quality['n']} traces. Constrained decoding, as served: the arguments of calls and the ranking must be valid; "
        "unconstrained: any word may follow. Claims are those that the model itself wrote"
    )
    if "claim_recall" in names:
        caption += (
            ". Claim recall is the share of the tools' lines about recommended items that the reflection quotes; distinct "
            "counts are over all these traces"
        )
    if moved := quality.get("permuted"):
        caption += (
            f". Candidate swap ({moved['n']} tasks): the evidence of the candidates is permuted among them. The first "
            f"choice follows its evidence in {moved['follows']:.0%}{_within(moved)} and stays in {moved['stays']:.0%}; the "
            f"mean hit rate falls from {moved['mean']:.3f} to {moved['mean_permuted']:.3f}"
        )
    return Table(caption, ("traces", *(COLUMNS[name] for name in names)), body)


def _own_words(quality: dict[str, Any]) -> Table:
    """Whether the ranking of the student for any catalogue follows its words, and whether these are true."""
    found = quality.get("own_words")
    if not found or not found["n"]:
        return NOTHING
    body = (
        ("valid, without constraints", _figure(found["valid"])),
        (f"what is quoted is true ({found['claims']} claims)", _figure(found["claim_precision"])),
        (f"comparisons are true ({found['comparisons']})", _figure(found["comparisons_true"])),
        ("the first recommended is discussed", _figure(found["discussed"]["first"])),
        ("all recommended are discussed", _figure(found["discussed"]["all"])),
        ("candidates in other slots: the same first choice", _figure(found["reordered"])),
        ("paragraphs in another order: the same first choice", _figure(found["shuffled"])),
        ("what is stated of the first two exchanged: the second leads", _figure(found["exchanged"])),
        ("mean hit rate from all that was heard", _figure(found["heard"])),
        ("mean hit rate from the words alone", _figure(found["words"])),
        ("words generated", _figure(found["generated_tokens"])),
        ("words read", _figure(found["prefilled_tokens"])),
        ("different plans", str(found["plans"])),
    )
    return Table(f"The student's own words, {found['n']} answers", ("what", "share or mean"), body)


def _changed(quality: dict[str, Any]) -> Table:
    """What the student for any catalogue writes and recommends when a tool says something else."""
    found = quality.get("changed_evidence")
    if not found or not found["n"]:
        return NOTHING
    body = [
        (
            f"{KINDS[kind]} of the first two swapped",
            str(row["n"]),
            _figure(row["said"]),
            _figure(row["turned"]),
            str(row["decisive"]["n"]),
            _figure(row["decisive"]["turned"]),
        )
        for kind, row in found["swapped"].items()
    ]
    caption = f"Changed evidence, {found['n']} answers."
    erased = found["erased"]
    if erased["n"]:
        low, high = map(_times, erased["ratio_ci"])
        caption += (
            f" Erasing what the reflection quotes of the first lowers its probability by {erased['cited']:.3f}, erasing as "
            f"many other lines by {erased['random']:.3f}: {_times(erased['ratio'])} times ({low} to {high}, "
            f"{erased['n']} answers)."
        )
    caption += " Decisive: trees over the same evidence prefer the second then"
    heads = ("change", "answers", "its words change", "the two turn", "decisive", "the two turn there")
    return Table(caption, heads, tuple(body))


def _within(moved: dict[str, Any]) -> str:
    """The interval of `follows`, if the document has one."""
    low, high = moved.get("follows_ci") or (None, None)
    return "" if low is None else f" ({low:.0%} to {high:.0%})"


def _erasure(quality: dict[str, Any]) -> Table:
    """Comprehensiveness and sufficiency with their controls, in both readings."""
    found = quality.get("erasure")
    if not found or not found["n"]:
        return NOTHING
    body = []
    for reading, title in READINGS.items():
        pairs = {pair["against"]: pair for pair in found[reading]["pairs"]}
        for arm, row in found[reading]["arms"].items():
            body.append(
                (
                    ARMS[arm],
                    title,
                    f"{row['drop']:.2f}",
                    f"{row['places']:.1f}",
                    f"{row['first']:.0%}",
                    *_against(pairs.get(arm)),
                )
            )
    caption = (
        f"Erasure, {found['n']} answers. {found['left_out']} answers are left out: they cite nothing of the first choice, "
        "or leave too little else to erase. Cited evidence is what the reflection quotes about the first choice: on average "
        f"{found['units']:.1f} lines, in {found['all_there_is']:.0%} of the answers all lines about it. Erasing it measures "
        "comprehensiveness. Erasing everything that the reflection does not cite measures sufficiency; "
        f"{found['units_kept']:.1f} lines stay. Controls erase as many lines, drawn at random. Log-probability and rank are "
        "those of the first choice. Regenerated: the model writes its trace again. Teacher-forced: it reads its own trace "
        "without the lines"
    )
    heads = (
        "erased",
        "reading",
        "log-probability lost (nats)",
        "ranks lost",
        "stays first",
        "cited evidence minus this (nats)",
        "ratio of cited evidence to this",
    )
    return Table(caption, heads, tuple(body))


def _against(pair: dict[str, Any] | None) -> tuple[str, str]:
    """The cited erasure minus this one (nats), and the ratio of their mean absolute changes; with intervals."""
    if pair is None:
        return "", ""
    drop, moved = pair["drop"], pair["moved"]
    difference = f"{drop['difference']:+.2f} ({drop['ci'][0]:+.2f} to {drop['ci'][1]:+.2f})"
    if moved["ratio"] is None:
        return difference, "n/a"
    low, high = map(_times, moved["ci"]["ratio"])
    return difference, f"{_times(moved['ratio'])} ({low} to {high})"


def _times(ratio: float | None) -> str:
    return "n/a" if ratio is None else f"{ratio:.2g}" if ratio < 100 else "over 100"


def _swapped(quality: dict[str, Any]) -> Table:
    """Candidate swaps within one tool's answers."""
    found = {tool: row for tool, row in quality.get("swapped", {}).items() if row["n"]}
    names = ("quotes", "stale", "turns", "first", "unreadable")
    body = tuple(
        (tool, str(row["n"]), *(f"{row[name]:.0%}" for name in names)) for tool, row in found.items()
    )
    caption = (
        "Swap within one tool: its lines about the first choice and about one other candidate change places, and the trace "
        "is regenerated. Shares of answers: the reflection quotes a new line about the two; states an old one; ranks the "
        "two in the other order; has another first choice"
    )
    heads = (
        "tool",
        "answers",
        "quotes a new line",
        "states an old line",
        "other order",
        "other first choice",
        "unreadable",
    )
    return Table(caption, heads, body)


def _reflection(quality: dict[str, Any]) -> Table:
    """The ranking after the reflection beside the one right after the tools."""
    found = quality.get("reflection")
    if not found or not found["n"]:
        return NOTHING
    low, high = found["ci"]
    row = (
        str(found["n"]),
        f"{found['first']:.0%}",
        f"{found['five']:.0%}",
        f"{found['mean']:.3f}",
        f"{found['mean_without']:.3f}",
        f"{found['mean'] - found['mean_without']:+.3f} ({low:+.3f} to {high:+.3f})",
    )
    caption = (
        "Does the reflection change the ranking? The ranking after the reflection, beside the one that the model gives "
        "right after the last tool's answer; no training trace ends there. Mean of HR@1, HR@3, HR@5"
    )
    heads = (
        "answers",
        "other first choice",
        "other first five",
        "mean",
        "mean without reflection",
        "difference",
    )
    return Table(caption, heads, (row,))


def _turns(quality: dict[str, Any]) -> Table:
    """STAR's one pass beside MARS with one call of the same model per turn."""
    turns = quality.get("turns")
    if not turns:
        return NOTHING
    names = ("calls", "prefilled", "generated", "put_in")
    body = tuple(
        (way, *(f"{turns[way][name]:.0f}" for name in names), f"{turns[way]['seconds']:.2g}")
        for way in ("star", "mars:compact")
    )
    caption = (
        f"One pass (STAR) against one model call per agent turn (MARS), both with the same compact model, on {turns['n']} "
        f"tasks one after the other. Both write the same words in {turns['same']:.0%}. MARS takes "
        f"{turns['time_ratio']:.2f} times as long (median)"
    )
    heads = ("way", "calls", "tokens prefilled", "tokens generated", "tool tokens inserted", "s / query")
    return Table(caption, heads, body)


TABLES = (_traces, _erasure, _swapped, _reflection, _turns, _own_words, _changed)
