"""Who answers over a data set: the student, or the teacher."""

from __future__ import annotations

from star.data.dataset import Dataset
from star.data.loading import load_dataset
from star.mars.recommender import Teacher
from star.recommend.recommender import TEACHER, Recommender, Star
from star.student.checkpoint import SHIPPED


def load_recommender(dataset: str, model: str | None = None) -> Recommender:
    """The recommender over a data set by name; see `recommender_for`.

    Raises:
        UserError: no such data set or checkpoint.
    """
    return recommender_for(load_dataset(dataset), model)


def recommender_for(dataset: Dataset, model: str | None = None) -> Recommender:
    """Who answers over a data set.

    Args:
        model: a checkpoint's folder or name; `mars`: the teacher; None: the checkpoint that ships.

    Raises:
        UserError: no such checkpoint.
    """
    if model == TEACHER:
        return Teacher(dataset)
    return Star(dataset, model or SHIPPED)
