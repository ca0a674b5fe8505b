"""Letting new people in."""

from common.queue import ADMIT_PEOPLE, enqueue
from config.celery import app
from enrolment.admitting import admit


@app.task(name=ADMIT_PEOPLE)
def admit_people() -> None:
    """Search for some who are new among those enrolled; then ask for the next."""
    if admit():
        enqueue(ADMIT_PEOPLE)
