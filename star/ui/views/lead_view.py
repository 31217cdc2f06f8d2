"""A campaign's agreement and annotator quality as figures in HTML. Pure functions; every name is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Report = Mapping[str, Any]
WIDTH = 260  # of a scale, in pixels


def number(value: float | None, digits: int = 2) -> str:
    """`0.42`, or a dash where it is not defined."""
    return "—" if value is None else f"{value:.{digits}f}"


def share(value: float | None) -> str:
    """`42%`, or a dash."""
    return "—" if value is None else f"{100 * value:.0f}%"


def named(text: str) -> str:
    """A name as HTML: escaped, with its own writing direction."""
    return f"<bdi>{escape(text)}</bdi>"


def scale(
    value: float | None, interval: Sequence[float | None], low: float, high: float, mark: float | None = None
) -> str:
    """A point with its interval on a scale from `low` to `high`, as SVG. `mark`: a value to compare with."""

    def at(x: float) -> float:
        return 6 + (WIDTH - 12) * (min(max(x, low), high) - low) / (high - low)

    parts = [f'<line x1="6" x2="{WIDTH - 6}" y1="9" y2="9" class="axis"/>']
    if mark is not None:
        parts.append(f'<line x1="{at(mark):.1f}" x2="{at(mark):.1f}" y1="2" y2="16" class="mark"/>')
    if value is not None:
        if None not in interval:
            ends = [at(float(end or 0.0)) for end in interval]
            parts.append(f'<line x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="9" y2="9" class="interval"/>')
        parts.append(f'<circle cx="{at(value):.1f}" cy="9" r="4.500"/>')
    words = f"{number(value)}, 95 % interval {number(interval[0])} to {number(interval[1])}"
    return (
        f'<svg class="star-scale-figure" viewBox="0 0 {WIDTH} 18" width="{WIDTH}" height="18" role="img" '
        f'aria-label="{words}"><title>{words}</title>{"".join(parts)}</svg>'
    )


def table(heads: Sequence[str], body: Sequence[Sequence[str]], caption: str) -> str:
    """A table; cells are HTML already."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in body)
    return (
        f'<div class="star-figure"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def figures(report: Report, names: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """All figures of a campaign.

    Args:
        report: `collect.campaign_report`.
        names: pseudonym → the person's name, which only leads see.
        labels: criterion → its label.
    """
    parts = []
    if report["criteria"]:
        parts.append(_criteria(report["criteria"], labels))
    if report["contest"]["win_rates"]:
        parts.append(_contest(report["contest"]))
    if report["annotators"]:
        parts.append(_people(report["annotators"], names))
    shown = [row for row in report["correlations"] if row["rho"] is not None]
    if shown:
        words = "<summary>How ratings correlate with automatic measures</summary>"
        parts.append(f'<details data-key="measures">{words}{_correlations(shown, labels)}</details>')
    return "".join(parts) or '<p class="star-hint">Nothing has been submitted in this campaign yet.</p>'


def _in_order(rows: Sequence[Report], labels: Mapping[str, str]) -> list[Report]:
    """The rows in the rubric's order of criteria."""
    place = {key: number for number, key in enumerate(labels)}
    return sorted(rows, key=lambda row: place.get(row["criterion"], len(place)))


def _criteria(rows: Sequence[Report], labels: Mapping[str, str]) -> str:
    body = [
        (
            named(labels.get(row["criterion"], row["criterion"])),
            number(row["alpha"]),
            scale(row["alpha"], row["alpha_ci"], -0.5, 1.0, 0.667),
            number(row["mean"]),
            str(row["ratings"]),
            str(row["cannot_judge"]),
            _kappas(row["kappa"]),
        )
        for row in _in_order(rows, labels)
    ]
    return table(
        (
            "Criterion",
            "α",
            "−0.5 to 1; the line marks .667",
            "Mean",
            "Ratings",
            "Cannot judge",
            "κ of pairs",
        ),
        body,
        "Krippendorff's α, ordinal, with its 95 % interval; records resampled; gold items left out",
    )


def _kappas(rows: Sequence[Report]) -> str:
    known = sorted(row["kappa"] for row in rows if row["kappa"] is not None)
    return "—" if not known else f"{known[0]:.2f} to {known[-1]:.2f} ({len(known)})"


def _contest(contest: Report) -> str:
    body = [
        (
            f"{named(row['system'])} against {named(row['against'])}",
            share(row["rate"]),
            scale(row["rate"], row["ci"], 0.0, 1.0, 0.5),
            f"{row['wins']} / {row['ties']} / {row['losses']}",
            str(row["records"]),
        )
        for row in contest["win_rates"]
    ]
    heads = ("Pair", "Preferred", "0 to 1; the line marks one half", "Won / tied / lost", "Records")
    out = table(heads, body, "Win rates, ties half, with 95 % intervals; records resampled")
    left = contest["left"]
    notes = [
        f"α of the choices {number(contest['alpha'])} "
        f"({number(contest['alpha_ci'][0])} to {number(contest['alpha_ci'][1])})",
        f"left side chosen in {share(left['rate'])} (should be near one half)",
    ]
    out += f'<p class="star-hint">{"; ".join(notes)}.</p>'
    if contest["ranking"]:
        order = [
            (
                named(row["system"]),
                number(row["strength"]),
                scale(row["strength"], row["ci"], 0.0, 1.0),
                str(row["n"]),
            )
            for row in contest["ranking"]["systems"]
        ]
        out += table(("System", "Strength", "0 to 1", "Answers"), order, "Bradley–Terry ranking with ties")
    return out


def _people(rows: Sequence[Report], names: Mapping[str, str]) -> str:
    body = [
        (
            f"{named(names.get(row['annotator'], row['annotator']))} "
            f"<small>{named(row['annotator'])}</small>",
            str(row["records"]),
            "—" if row["median_seconds"] is None else f"{row['median_seconds']:.0f} s",
            f"{share(row['gold_pass_rate'])} of {row['gold']}" if row["gold"] else "—",
            share(row["straight_lining"]),
            share(row["cannot_judge"]),
            number(row["mean"]),
            share(row["ties"]),
        )
        for row in rows
    ]
    heads = (
        "Annotator", "Records", "Time each", "Gold items: answers passed", "All the same", "Cannot judge", "Mean", "Ties"
    )  # fmt: skip
    return table(
        heads, body, "How each annotator works; “all the same”: records whose criteria all got one value"
    )


def _correlations(rows: Sequence[Report], labels: Mapping[str, str]) -> str:
    body = [
        (
            named(labels.get(row["criterion"], row["criterion"])),
            named(row["measure"]),
            number(row["rho"]),
            scale(row["rho"], row["ci"], -1.0, 1.0, 0.0),
            str(row["records"]),
        )
        for row in _in_order(rows, labels)
    ]
    heads = ("Criterion", "Measure", "ρ", "−1 to 1; the line marks 0", "Records")
    return table(heads, body, "Mean ratings of records against automatic measures, Spearman's ρ")
