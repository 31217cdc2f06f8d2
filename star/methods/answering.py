"""The recommender for a data set: its student, or the teacher if none is trained."""

from __future__ import annotations

from star.data.dataset import Dataset
from star.data.loading import load_dataset
from star.mars.recommender import Teacher
from star.recommend.recommender import TEACHER, Recommender, Star
from star.student.checkpoint import find_checkpoint

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
        model: a checkpoint's folder or name; `mars`: the teacher; None: the data set's student, or the teacher, who
            needs no training, if no student exists (`untaught` says so).

    Raises:
        UserError: no such checkpoint.
    """
    if model == TEACHER or (model is None and not has_student(dataset.name)):
        return Teacher(dataset)
    return Star(dataset, model)


def has_student(dataset: str) -> bool:
    """Whether there is a checkpoint named like the data set."""
    return find_checkpoint(dataset) is not None


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
