"""A synthetic log as long-tailed as MovieLens 25M, and what one machine needs to import, to serve and to query it.

    python -m training.studies.scale --rows 25000000 --out /tmp/log             # write the log
    python -m training.studies.scale --rows 25000000 --out /tmp/log --measure   # and import it, print JSON
    python -m training.studies.scale --rows 25000000 --out /tmp/log --record    # and write docs/scale.md

`--kind parts` is a folder of Parquet parts as Spark writes them, with numbers as ids; `text` has ids such as `u0000042`
instead; `movielens` is ratings.csv and movies.csv. The rows of the parts are in no order at all, those of ratings.csv
are sorted by reader and film, as in the release, and every film with a reader is imported. The same rows, seed and kind
give the same log.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from star import ROOT
from star.errors import UserError, command

ITEMS = 62_000
READER_ROWS = 153.8
"""Mean rows of a reader: 25 M rows are of about 162,000 readers."""
FEWEST, MOST = 20, 15_000
KINDS = ("parts", "text", "movielens")
PART = 2_000_000
_WRITTEN = ("part-", "_SUCCESS", "ratings.csv", "movies.csv")
_READERS = 4_096
_FIRST, _LAST = 788_918_400, 1_574_294_400  # 1995 to November 2019
_RATINGS = np.arange(1, 11, dtype=np.float32) / 2
_SHARES = (0.016, 0.031, 0.016, 0.066, 0.050, 0.196, 0.127, 0.266, 0.088, 0.144)
_SHARE_AT = (
    (1, 3.3e-3),
    (100, 1.4e-3),
    (1_000, 2.4e-4),
    (5_000, 2.6e-5),
    (10_000, 4.4e-6),
    (20_000, 8e-7),
    (62_000, 4e-8),
)
RESULTS = ROOT / "assets" / "scale.json"
PAGE = ROOT / "docs" / "scale.md"


def popularity(items: int = ITEMS) -> np.ndarray:
    """Probability of each item rank, (items,): a curve through what MovieLens 25M has about, share of rows by rank."""
    ranks, shares = zip(*_SHARE_AT, strict=True)
    weight = np.exp(np.interp(np.log(np.arange(1, items + 1)), np.log(ranks), np.log(shares)))
    return weight / weight.sum()


def lengths(readers: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of each reader, int64: at least FEWEST, half below 71, a tail of some thousands."""
    spread = 1.36
    drawn = FEWEST + rng.lognormal(np.log(READER_ROWS - FEWEST) - spread**2 / 2, spread, readers)
    return np.minimum(drawn, MOST).astype(np.int64)


def log(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Columns user and item (int32, from 1), time (int64, seconds) and rating (float32), each (rows,).

    No reader has an item twice. Rows are sorted by user and item; times rise in a random order of a reader's items.
    """
    rng = np.random.default_rng(seed)
    cumulative = np.cumsum(popularity())
    number = rng.permutation(ITEMS).astype(np.int32) + 1  # rank → item
    pairs, made, first = [], 0, 0
    while made < rows:
        wanted = lengths(_READERS, rng)
        # Draws repeat items, those of long histories most: draw twice as many, keep the first of each.
        reader = np.repeat(np.arange(_READERS), 2 * wanted)
        rank = np.minimum(np.searchsorted(cumulative, rng.random(len(reader))), ITEMS - 1)
        pair, at = np.unique(reader * ITEMS + rank, return_index=True)
        pair = pair[np.argsort(at)]  # in the order drawn, so still reader by reader
        starts = np.searchsorted(pair // ITEMS, np.arange(_READERS))
        pair = pair[np.arange(len(pair)) - starts[pair // ITEMS] < wanted[pair // ITEMS]][: rows - made]
        pairs.append((pair // ITEMS + first + 1, number[pair % ITEMS]))
        made, first = made + len(pair), first + _READERS
    user = np.concatenate([a for a, _ in pairs]).astype(np.int32)
    item = np.concatenate([b for _, b in pairs])
    del pairs
    begin = rng.integers(_FIRST, _LAST, int(user[-1]) + 1)
    # A reader rates for some weeks, in no order of the items' numbers.
    when = begin[user] + (rng.exponential(20 * 86_400, rows)).astype(np.int64)
    order = np.argsort(user.astype(np.int64) * (ITEMS + 1) + item, kind="stable")
    rating = rng.choice(_RATINGS, rows, p=_SHARES)
    return {"user": user[order], "item": item[order], "time": when[order], "rating": rating}


def write(folder: Path, rows: int, seed: int, kind: str) -> None:
    """Write the log into a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    columns = log(rows, seed)
    if kind == "movielens":
        names = {"user": "userId", "item": "movieId", "rating": "rating", "time": "timestamp"}
        frame = pl.DataFrame({name: columns[ours] for ours, name in names.items()})
        frame.write_csv(folder / "ratings.csv")
        films = pl.DataFrame({"movieId": np.arange(1, ITEMS + 1)}).with_columns(
            title=pl.format("Film {} (1999)", "movieId"), genres=pl.lit("Drama|Comedy")
        )
        films.write_csv(folder / "movies.csv")
        return
    order = np.random.default_rng([seed, 1]).permutation(rows)
    for nth, start in enumerate(range(0, rows, PART)):
        at = order[start : start + PART]
        frame = pl.DataFrame({name: column[at] for name, column in columns.items()})
        if kind == "text":
            frame = frame.with_columns(
                pl.format(f"{mark}{{}}", pl.col(name).cast(pl.String).str.zfill(7)).alias(name)
                for name, mark in (("user", "u"), ("item", "i"))
            )
        frame.write_parquet(folder / f"part-{nth:05d}-c000.snappy.parquet", compression="snappy")
    (folder / "_SUCCESS").touch()


def check(folder: Path, rows: int) -> None:
    """Refuse what `write` cannot do.

    Raises:
        UserError: no rows are asked for, or the folder holds files of something else.
    """
    if rows < 1:
        raise UserError(f"--rows {rows}; expected at least 1")
    others = [file.name for file in folder.glob("*") if not file.name.startswith(_WRITTEN)]
    if others:
        raise UserError(f"{folder} holds {others[0]}, which is no part of a log; give a new folder")


def measured(arguments: list[str], home: Path) -> tuple[float, float, float, str]:
    """Seconds, those on the processors, peak memory in GiB, and the output of a Python process of its own."""
    environment = {**os.environ, "STAR_DATA": str(home), "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = process.stdout.read()
    # Of this one child: getrusage(RUSAGE_CHILDREN) would give the largest of all.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    busy = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - began, busy, usage.ru_maxrss / 2**20, said


_STAR = "import sys; sys.argv[0] = 'star'; from star.cli.app import main; sys.exit(main())"
_LOAD = """
import json, sys, time
began = time.perf_counter()
from star.data.loading import load_dataset
from star.data.tasks import split
data = load_dataset(sys.argv[1])
loaded = time.perf_counter()
parts = split(data.interactions)
print(json.dumps({"load": loaded - began, "split": time.perf_counter() - loaded, "readers": len(data.interactions),
    "items": len(data.catalog), "interactions": len(data.interactions.items),
    "reader": data.interactions.users[parts.valid[0]]}))
"""
_SERVE = """
import sys
from star.settings import Settings
from star.ui.offered import Offered
from star.ui.server import application
from fastapi.testclient import TestClient
offered = Offered.of(Settings(dataset=sys.argv[1], model="mars"))
loader = offered.loader(offered.home)
with TestClient(application(loader), base_url="http://127.0.0.1") as visitor:
    assert visitor.get("/").status_code == 200
    assert loader.recommender(600.0) is not None
"""
"""The page of `star serve`, until it has the recommender. A test runs it."""


def measure(folder: Path, rows: int, kind: str) -> dict[str, Any]:
    """Seconds and peak GiB of the import of a folder that `write` wrote, of loading the result, and of `evidence`."""
    form, more = ("movielens", ["--min-item-readers", "1"]) if kind == "movielens" else ("table", [])
    home, name = folder.with_name(f"{folder.name}.sets"), f"scale-{kind}"
    shutil.rmtree(home, ignore_errors=True)  # nothing is kept from an earlier run
    seconds, busy, peak, _ = measured(["-c", _STAR, "import", form, str(folder), "--name", name, *more], home)
    _, load_busy, load_peak, said = measured(["-c", _LOAD, name], home)
    found = json.loads(said)
    return {
        "rows": rows,
        "kind": kind,
        "source_gib": round(_size(folder), 2),
        "set_gib": round(_size(home / name), 2),
        "readers": found["readers"],
        "items": found["items"],
        "interactions": found["interactions"],
        "import_seconds": round(seconds, 1),
        "import_cpu_seconds": round(busy, 1),
        "import_peak_gib": round(peak, 2),
        "load_seconds": round(found["load"], 1),
        "load_cpu_seconds": round(load_busy, 1),
        "load_peak_gib": round(load_peak, 2),
        "split_seconds": round(found["split"], 1),
        "cores": os.cpu_count(),
        "measured": date.today().isoformat(),
        "evidence": evidence(home, name, found["reader"]),
    }


def evidence(home: Path, name: str, reader: str) -> dict[str, Any]:
    """Seconds, seconds on the processors and peak GiB of four starts, and a query's seconds, median and 90th percentile.

    The first start counts and fits, the second reads what was kept; so do the page and `star recommend`.
    """
    first, again = (
        measured(["-m", "training.studies.scale_stages", "--dataset", name], home) for _ in range(2)
    )
    page = measured(["-c", _SERVE, name], home)
    answer = measured(
        ["-c", _STAR, "recommend", "--dataset", name, "--model", "mars", "--user", reader], home
    )
    built, found = json.loads(first[3]), json.loads(again[3])
    starts = {"first": first, "second": again, "serve": page, "recommend": answer}
    return {
        "graph_seconds": built["stages"]["graph"]["seconds"],
        "signals_seconds": built["stages"]["signals"]["seconds"],
        "starts": {
            key: {"seconds": round(given[0], 1), "cpu_seconds": round(given[1], 1), "peak_gib": round(given[2], 2)}
            for key, given in starts.items()
        },
        "books": found["books"],
        "candidates": found["candidates"],
        "query": found["query"],
        "kept_gib": round(_size(home / ".cache"), 2),
    }


def record(found: dict[str, Any]) -> None:
    """Put one measurement into RESULTS, in place of an earlier one of the same rows and kind, and write PAGE again."""
    from docs.build import rendered  # which imports this module, for the table

    have = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else []
    others = [row for row in have if (row["rows"], row["kind"]) != (found["rows"], found["kind"])]
    rows = sorted([*others, found], key=lambda row: (row["rows"], KINDS.index(row["kind"])))
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    if PAGE.exists():
        PAGE.write_text(rendered(PAGE.read_text("utf-8")), "utf-8")


def table(rows: list[dict[str, Any]]) -> str:
    """Measurements as a Markdown table."""
    names = {
        "parts": "Parquet parts, ids are numbers",
        "text": "Parquet parts, ids are text",
        "movielens": "MovieLens, CSV",
    }
    head = (
        "rows",
        "source",
        "readers",
        "items",
        "import, s",
        "of CPU, s",
        "its peak, GiB",
        "loading, s",
        "of CPU, s",
        "its peak, GiB",
        "data set, GiB",
        "measured",
    )
    lines = [
        (
            f"{row['rows'] / 1e6:g} M",
            names[row["kind"]],
            f"{row['readers']:,}",
            f"{row['items']:,}",
            f"{row['import_seconds']:.0f}",
            f"{row['import_cpu_seconds']:.0f}",
            f"{row['import_peak_gib']:.1f}",
            f"{row['load_seconds']:.1f}",
            f"{row['load_cpu_seconds']:.0f}",
            f"{row['load_peak_gib']:.1f}",
            f"{row['set_gib']:.2f}",
            row["measured"],
        )
        for row in rows
    ]
    ruler = ("---:", ":---", *["---:"] * 10)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ruler, *lines))


def evidence_table(rows: list[dict[str, Any]]) -> str:
    """What the evidence of the same data sets needs, as a Markdown table."""
    head = (
        *("rows", "items", "graph, s", "signals, s", "of CPU, s", "its peak, GiB", "kept, GiB"),
        *("page, s", "of CPU, s", "its peak, GiB", "`star recommend`, s", "of CPU, s"),
        *("query, ms", "of CPU, ms", "slowest tenth, ms", "measured"),
    )
    lines = []
    for row in rows:
        if (found := row.get("evidence")) is None:
            continue
        starts, query = found["starts"], found["query"]
        lines.append(
            (
                f"{row['rows'] / 1e6:g} M",
                f"{row['items']:,}",
                f"{found['graph_seconds']:.0f}",
                f"{found['signals_seconds']:.0f}",
                f"{starts['first']['cpu_seconds']:.0f}",
                f"{starts['first']['peak_gib']:.1f}",
                f"{found['kept_gib']:.1f}",
                f"{starts['serve']['seconds']:.1f}",
                f"{starts['serve']['cpu_seconds']:.1f}",
                f"{starts['serve']['peak_gib']:.1f}",
                f"{starts['recommend']['seconds']:.1f}",
                f"{starts['recommend']['cpu_seconds']:.1f}",
                f"{1e3 * query['seconds'][0]:.0f}",
                f"{1e3 * query['cpu_seconds'][0]:.0f}",
                f"{1e3 * query['seconds'][1]:.0f}",
                row["measured"],
            )
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ("---:",) * len(head), *lines))


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**30


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, default="parts")
    parser.add_argument("--out", type=Path, required=True, help="folder that is written, and replaced")
    parser.add_argument("--measure", action="store_true", help="import, load, serve and query it, and print JSON")
    parser.add_argument("--record", action="store_true", help="put what was measured into docs/scale.md")
    args = parser.parse_args()
    check(args.out, args.rows)
    # In a process of its own: Linux counts what a process had before it started another into the other's peak.
    writer = get_context("spawn").Process(target=write, args=(args.out, args.rows, args.seed, args.kind))
    writer.start()
    writer.join()
    if writer.exitcode:
        raise SystemExit(f"the log could not be written to {args.out}")
    if args.measure or args.record:
        found = measure(args.out, args.rows, args.kind)
        print(json.dumps(found))
        if args.record:
            record(found)


if __name__ == "__main__":
    command(main)
