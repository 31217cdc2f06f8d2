"""The tables about traces: what they are worth, and whether the ranking follows from them."""

from __future__ import annotations

from typing import Any

from star.tabular import Table

NOTHING = Table("", (), ())
COLUMNS = {
    "valid": "valid",
    "call_validity": "valid calls",
    "claim_precision": "precision of its claims",
    "claim_recall": "recall of the evidence",
    "numbers_quoted": "numbers quoted",
    "four_numbers": "quoting four or more",
    "distinct_lines": "distinct lines",
    "distinct_plans": "distinct plans",
    "generated_tokens": "words written",
    "tool_calls": "tool calls",
}
READINGS = ("anew", "forced")
ARMS = {
    "cited": "what is cited of it",
    "random": "as much at random",
    "others": "as much about others",
    "kept": "all but what is cited",
    "kept at random": "all but as much at random",
}


def trace_tables(quality: dict[str, Any]) -> list[Table]:
    """All of them from an evaluation's `trace_quality`; those without rows are empty."""
    return [make(quality) for make in (_traces, _erasure, _swapped, _reflection, _turns)]


def _figure(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3g}"


def _traces(quality: dict[str, Any]) -> Table:
    """The student's traces, as served and with nothing constrained."""
    if not quality:
        return NOTHING
    names = [name for name in COLUMNS if name in quality["served"]]
    body = tuple((mode, *(_figure(quality[mode][name]) for name in names)) for mode in ("served", "free"))
    caption = (
        f"{quality['n']} traces. Served: tools' arguments and ranking constrained; free: nothing constrained. "
        "Claims: only those the model itself wrote"
    )
    if "claim_recall" in names:
        caption += (
            "; recall: of the tools' lines about the recommended, the share that the reflection quotes; distinct: among all "
            "of these traces"
        )
    if moved := quality.get("permuted"):
        caption += (
            f". Evidence exchanged among the candidates ({moved['n']} tasks): the first choice follows the evidence in "
            f"{moved['follows']:.0%}{_within(moved)}, stays in {moved['stays']:.0%}; mean hit rate {moved['mean']:.3f} "
            f"falls to {moved['mean_permuted']:.3f}"
        )
    return Table(caption, ("traces", *(COLUMNS[name] for name in names)), body)


def _within(moved: dict[str, Any]) -> str:
    """The interval of the share that follows, where the document has one."""
    low, high = moved.get("follows_ci") or (None, None)
    return "" if low is None else f" ({low:.0%} to {high:.0%})"


def _erasure(quality: dict[str, Any]) -> Table:
    """How far the first choice moves when evidence is taken away, in both readings."""
    found = quality.get("erasure")
    if not found or not found["n"]:
        return NOTHING
    body = []
    for reading in READINGS:
        pairs = {pair["against"]: pair for pair in found[reading]["pairs"]}
        for arm, row in found[reading]["arms"].items():
            body.append(
                (
                    ARMS[arm],
                    reading,
                    f"{row['drop']:.2f}",
                    f"{row['places']:.1f}",
                    f"{row['first']:.0%}",
                    *_against(pairs.get(arm)),
                )
            )
    caption = (
        f"Erasure, {found['n']} answers ({found['left_out']} left out: nothing cited of the first choice, or too little "
        "else to erase). Taken from the tools' answers: what the reflection cites of the first choice "
        f"({found['units']:.1f} lines; in {found['all_there_is']:.0%} all that they said of it), or all but what it cites "
        f"at all ({found['units_kept']:.1f} lines stay), each beside erasures as large at random; how much log-probability "
        "and how many places the first choice loses. anew: the model writes its trace again; forced: its own trace without "
        "the lines"
    )
    heads = (
        "erased",
        "reading",
        "nats lost",
        "places lost",
        "stays first",
        "cited less this, nats",
        "cited moves it so many times as far",
    )
    return Table(caption, heads, tuple(body))


def _against(pair: dict[str, Any] | None) -> tuple[str, str]:
    """The cited erasure minus this one (nats), and how many times as far it moves; with intervals."""
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
    """What one tool says of the first choice and of another candidate, exchanged."""
    found = {tool: row for tool, row in quality.get("swapped", {}).items() if row["n"]}
    names = ("quotes", "stale", "turns", "first", "unreadable")
    body = tuple(
        (tool, str(row["n"]), *(f"{row[name]:.0%}" for name in names)) for tool, row in found.items()
    )
    caption = (
        "One tool's words about the first choice and another candidate at random exchanged, the trace written anew: share "
        "of answers whose reflection quotes of the two what the tool only now says, states what it no longer says, in which "
        "the two change their order, and with another first choice"
    )
    heads = (
        "tool",
        "answers",
        "quotes the new",
        "states the old",
        "the two turn",
        "other first choice",
        "unreadable",
    )
    return Table(caption, heads, body)


def _reflection(quality: dict[str, Any]) -> Table:
    """The ranking behind the reflection beside the one asked for directly behind the tools."""
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
        "Reflections that change the ranking: beside the ranking behind the reflection the one asked for directly behind "
        "the last answer of a tool, where no trace of the training ends; mean of HR@1, HR@3, HR@5"
    )
    heads = ("answers", "other first choice", "another five", "mean", "mean without it", "difference")
    return Table(caption, heads, (row,))


def _turns(quality: dict[str, Any]) -> Table:
    """STAR's one pass beside MARS speaking through the same model, a call per turn."""
    turns = quality.get("turns")
    if not turns:
        return NOTHING
    names = ("calls", "prefilled", "generated", "put_in")
    body = tuple(
        (way, *(f"{turns[way][name]:.0f}" for name in names), f"{turns[way]['seconds']:.2g}")
        for way in ("star", "mars:compact")
    )
    caption = (
        f"One pass against one call per agent turn, through the same compact model ({turns['n']} tasks, one after the "
        f"other; the same words in {turns['same']:.0%}): MARS takes {turns['time_ratio']:.2f} times as long (median)"
    )
    heads = ("way", "calls", "tokens prefilled", "tokens generated", "tool tokens put in", "s / query")
    return Table(caption, heads, body)
