"""Generations as commands name them."""

from django.core.management.base import CommandError

from vectors.generations import short_name
from vectors.models import IndexGeneration


def generation_of(name: str) -> IndexGeneration:
    """The one generation whose name ends so.

    Raises:
        CommandError: there is none, or several.
    """
    found = [each for each in IndexGeneration.objects.all() if name and each.name.endswith(name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(short_name(each) for each in IndexGeneration.objects.order_by("pk"))
    how_many = "Several indexes end" if found else "No index ends"
    raise CommandError(f"{how_many} with {name!r}. There are: {known or 'none yet'}.")
