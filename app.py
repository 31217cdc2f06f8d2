"""The page: settings → load → page → launch.  Run `python app.py`, or `star serve` for the same with options.

The page is up at once. Data set and model are loaded behind it, since importing torch alone takes seconds;
until they are there the page says so, and a question already asked waits.
"""

from __future__ import annotations

import sys

from star.cli.serve import settings
from star.errors import UserError


def main() -> int:
    """Serve the page until interrupted; 2 when something given was wrong."""
    try:
        chosen = settings()  # from the environment: STAR_DATASET, STAR_MODEL, STAR_HOST, …

        from star.ui.loader import Loader
        from star.ui.server import launch

        loader = Loader.of(chosen)  # starts with the server, not before it
        launch(loader, chosen)  # builds the page (star/ui/page.py), prints its address
    except UserError as error:
        print(f"star: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
