"""Row locks on people, in one place.

Whoever changes a person together with photos or templates locks the person first, then photos,
then templates; so nobody waits for anybody in a circle.
"""

from collections.abc import Iterable

from common.errors import NotFound

from .models import Gallery, Person


def lock_person(person_id: int) -> Person:
    """The person's row as it is now, locked until the transaction ends, with the gallery.

    Raises:
        NotFound: they were erased in the meantime.
    """
    people = Person.objects.select_related("gallery").select_for_update(of=("self",))
    person = people.filter(pk=person_id).first()
    if person is None:
        raise NotFound("person")
    return person


def lock_people(person_ids: Iterable[int]) -> dict[int, Person]:
    """Several people's rows by their keys, locked in one order for all, with the gallery.

    Who was erased in the meantime is left out.
    """
    people = Person.objects.select_related("gallery").select_for_update(of=("self",))
    return {each.pk: each for each in people.filter(pk__in=set(person_ids)).order_by("pk")}


def lock_gallery(gallery_id: int) -> Gallery:
    """The gallery's row as it is now, locked until the transaction ends.

    Raises:
        NotFound: it was deleted in the meantime.
    """
    gallery = Gallery.objects.select_for_update().filter(pk=gallery_id).first()
    if gallery is None:
        raise NotFound("gallery")
    return gallery


def keep_galleries(gallery_ids: Iterable[int]) -> set[int]:
    """Those galleries that are there, and stay so until the transaction ends.

    They may be changed meanwhile, and people may come in.
    """
    there = Gallery.objects.select_for_update(no_key=True).filter(pk__in=list(gallery_ids))
    return set(there.order_by("pk").values_list("pk", flat=True))
