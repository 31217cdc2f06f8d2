"""A small table of one's own, in two tastes: the CSV that a person would open on the page."""

from __future__ import annotations

import numpy as np


def own_table(users: int = 60, songs: int = 30) -> bytes:
    rng = np.random.default_rng(3)
    rows = ["listener,user_id,item,title,genre"]
    for user in range(users):
        likes = np.where(np.arange(songs) % 2 == user % 2, 6.0, 1.0)
        for song in rng.choice(songs, 10, replace=False, p=likes / likes.sum()).tolist():
            rows.append(f"x,u{user},s{song},Song number {song},{'Jazz' if song % 2 else 'Rock'}")
    return "\n".join([*rows, ""]).encode()
