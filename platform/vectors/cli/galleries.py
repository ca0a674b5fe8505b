"""Galleries as commands name them."""

from django.core.management.base import CommandError

from people.models import Gallery


def gallery_of(slug: str) -> Gallery:
    """The gallery of this slug.

    Raises:
        CommandError: there is none.
    """
    gallery = Gallery.objects.filter(slug=slug).first()
    if gallery is None:
        known = ", ".join(Gallery.objects.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"There is no gallery with the slug {slug!r}. There are: {known}.")
    return gallery
