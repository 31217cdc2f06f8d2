"""Numbers of rows as requests name them: bounded, since a database's integer columns are; out of range is 422."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from star.annotation.workflow.text import ID_MOST

Number = Annotated[int, Field(ge=0, le=ID_MOST)]
"""Of a campaign, record or rubric in an address."""
Named = Annotated[StrictInt, Field(ge=0, le=ID_MOST)]
"""The same in a body, where 1.0 is not 1."""
