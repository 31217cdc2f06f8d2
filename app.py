"""Start the page: settings → loader → page → launch.  Run `python app.py`, or `star serve` for the same with options.

The page opens at once, while data set and model load in the background (importing torch alone takes seconds).
Until they are loaded the page says so, and questions wait.
"""

from __future__ import annotations

import sys

from star.cli.serve import settings
from star.errors import UserError


def main() -> int:
    """Serve the page until interrupted. Returns 2 after a UserError, such as a wrong setting."""
    try:
        chosen = settings()  # from the environment: STAR_DATASET, STAR_MODEL, STAR_HOST, …

        from star.ui.loader import Loader
        from star.ui.server import launch

        loader = Loader.of(chosen)  # loading starts with the server
        launch(loader, chosen)  # builds the page (star/ui/page.py), prints its address
    except UserError as error:
        print(f"star: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
