"""Fits what comes after to the demo's readers and writes it to data/demo/read_after.npz, which is shipped.

    python -m training.demo.fit_read_after

Half a minute on one core. To be run again when the readers of the demo or the code of the fit change; a test says so.
"""

from __future__ import annotations

import argparse

import numpy as np

from star.data.simulator import load_demo
from star.data.tasks import split
from star.errors import command
from star.evidence.fitting import AFTER, SHIPPED, after_key
from star.evidence.graph import Graph
from star.evidence.read_after import ReadAfter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    demo = load_demo()
    parts = split(demo.interactions)
    fitted = ReadAfter.fit(Graph.build(demo.interactions, parts.train))
    arrays = {name: getattr(fitted, name) for name in AFTER}
    np.savez_compressed(SHIPPED, allow_pickle=False, key=np.array(after_key(demo, parts)), **arrays)
    print(f"{SHIPPED}: {SHIPPED.stat().st_size:,} bytes")


if __name__ == "__main__":
    command(main)
