"""The recommender for a data set: its own student, or the one that serves any catalogue."""

from __future__ import annotations

from star.data.dataset import Dataset
from star.data.loading import load_dataset
from star.mars.recommender import Teacher
from star.recommend.recommender import TEACHER, Recommender, Star
from star.recommend.slotted import SlotStar
from star.student.checkpoint import ANY, checkpoint_folder, find_checkpoint, serves_any


def load_recommender(dataset: str, model: str | None = None) -> Recommender:
    """The recommender over a data set by name; see `recommender_for`.

    Raises:
        UserError: no such data set or checkpoint.
    """
    return recommender_for(load_dataset(dataset), model)


def recommender_for(dataset: Dataset, model: str | None = None) -> Recommender:
    """Who answers over a data set.

    Args:
        model: a checkpoint's folder or name; `mars`: the teacher; None: the data set's own student, or else the one that
            serves any catalogue.

    Raises:
        UserError: no such checkpoint.
    """
    if model == TEACHER:
        return Teacher(dataset)
    if model is None and find_checkpoint(dataset.name) is None:
        model = ANY
    if serves_any(checkpoint_folder(model or dataset.name)):
        return SlotStar(dataset, model or dataset.name)
    return Star(dataset, model)
