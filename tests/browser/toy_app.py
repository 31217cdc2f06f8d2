"""Serves the page with the toy recommender: `python tests/browser/toy_app.py PORT [FILE TO WAIT FOR …]`.

With `TOY=hostile` in the environment, every text field of its data set holds a script or a right-to-left name.
`TOY_DELAY` is the time between two words, in seconds. `TOY_IMPORTS` names modules that the page would import once it needs
them, and imports before it opens: whoever measures its memory wants them there from the start.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

import toy

from star.settings import Settings
from star.ui.loader import Loader
from star.ui.server import launch


def main() -> None:
    data = toy.hostile if os.environ.get("TOY") == "hostile" else toy.dataset
    for name in os.environ.get("TOY_IMPORTS", "").split():
        importlib.import_module(name)
    awaited = [Path(name) for name in sys.argv[2:]]

    def load() -> toy.ToyRecommender:
        while not all(file.exists() for file in awaited):
            time.sleep(0.05)
        return toy.ToyRecommender(data(), delay=float(os.environ.get("TOY_DELAY", "0.001")))

    launch(Loader(load, data), Settings(port=int(sys.argv[1])))


if __name__ == "__main__":
    main()
