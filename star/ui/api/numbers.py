"""Row numbers in requests, within the range of a database's integer column; others are answered with 422."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from star.annotation.workflow.text import ID_MOST

Number = Annotated[int, Field(ge=0, le=ID_MOST)]
"""Number of a campaign, record or rubric in an address."""
Named = Annotated[StrictInt, Field(ge=0, le=ID_MOST)]
"""The same in a body, where 1.0 is not 1."""
