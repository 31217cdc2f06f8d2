"""Lead API."""

from __future__ import annotations

from fastapi import APIRouter

from star.ui.door import Door
from star.ui.loader import Loader


def router(door: Door, loader: Loader) -> APIRouter:
    routes = APIRouter(prefix="/star-lead")
    return routes
