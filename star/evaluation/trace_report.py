"""Tables of what the student writes and follows, from `trace_quality` in an evaluation's document."""

from __future__ import annotations

from typing import Any

from star.evaluation.tabular import Table

NOTHING = Table("", (), ())
KINDS = {
    "pull": "co-reading",
    "read_next": "what is read next",
    "similar": "similar readers",
    "whole": "the whole shelf",
    "latest": "the last three books",
    "last": "the last book",
    "after": "what comes after",
}

def trace_tables(quality: dict[str, Any]) -> list[Table]:
    """All tables of an evaluation's `trace_quality`; a table without data has no rows."""
    return [make(quality) for make in TABLES]


def _figure(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3g}"


def _own_words(quality: dict[str, Any]) -> Table:
    """Whether the student's ranking follows its words, and whether these are true."""
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
    """What the student writes and recommends when a tool says something else."""
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


def _times(ratio: float | None) -> str:
    return "n/a" if ratio is None else f"{ratio:.2g}" if ratio < 100 else "over 100"


TABLES = (_own_words, _changed)
