"""Serves the page with the toy recommender: `python tests/browser/toy_app.py PORT [SECONDS TO LOAD]`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import toy

from star.ui.loader import Loader
from star.ui.server import launch


def main() -> None:
    wait = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0

    def load() -> toy.ToyRecommender:
        time.sleep(wait)
        return toy.ToyRecommender(delay=0.01)

    launch(Loader(load, toy.dataset), "127.0.0.1", int(sys.argv[1]))


if __name__ == "__main__":
    main()
