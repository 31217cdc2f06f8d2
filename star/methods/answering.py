"""The recommender for a data set: its student, or the teacher if none is trained."""

from __future__ import annotations

from star.data.dataset import Dataset
from star.data.loading import load_dataset
from star.mars.recommender import Teacher
from star.recommend.recommender import TEACHER, Recommender, Star
from star.recommend.slotted import SlotStar
from star.student.checkpoint import ANY, find_checkpoint, serves_any

TRAINING = "training/run.sh --dataset {name}"  # the command that trains a student for a data set of one's own


def load_recommender(dataset: str, model: str | None = None) -> Recommender:
    """The recommender over a data set by name; see `recommender_for`.

    Raises:
        UserError: no such data set or checkpoint.
    """
    return recommender_for(load_dataset(dataset), model)


def recommender_for(dataset: Dataset, model: str | None = None) -> Recommender:
    """Who answers over a data set.

    Args:
        model: a checkpoint's folder or name; `mars`: the teacher; None: the data set's own student, or the one that
            serves any catalogue, or, where neither exists, the teacher (`untaught` says so).

    Raises:
        UserError: no such checkpoint.
    """
    folder = None if model == TEACHER else find_checkpoint(model or dataset.name)
    if model is None and folder is None:
        folder = find_checkpoint(ANY)
    if model == TEACHER or (model is None and folder is None):
        return Teacher(dataset)
    if folder is not None and serves_any(folder):
        return SlotStar(dataset, str(folder))
    return Star(dataset, model)


def has_student(dataset: str) -> bool:
    """Whether a student answers for the data set: its own, or the one for any catalogue."""
    return find_checkpoint(dataset) is not None or find_checkpoint(ANY) is not None


def untaught(recommender: Recommender) -> str | None:
    """A line for people if the teacher answers because no student is trained: the command that trains one, and its time.
    None otherwise.
    """
    name = recommender.dataset.name
    if recommender.checkpoint != TEACHER or has_student(name):
        return None
    return (
        f"the teacher answers; no student is trained for this catalogue. {TRAINING.format(name=name)} trains one, which "
        "takes hours: on two CPU cores it took two for MovieLens’s 610 viewers and 3,650 films, and four for goodbooks"
    )
