"""The person's templates, made again from the faces that count."""

from typing import NamedTuple

from people.models import Person
from photos.models import Face, PhotoState
from vectors.codec import decode, decode_many, fuse
from vectors.models import PersonTemplate
from vectors.selectors import models_of
from vectors.services import remove_templates, store_template


def refresh_templates(person: Person) -> None:
    """Fuse the person's enrolled faces anew, those of each model that they have templates of.

    The caller holds the person's row.
    """
    # Also of a model on its way out: it may be wanted again before its templates are gone.
    held = person.templates.values_list("model", flat=True)
    for model in sorted({*models_of(person.gallery), *held}):
        refresh_template(person, model)


def refresh_template(
    person: Person, model: str, new_face: Face | None = None
) -> PersonTemplate | None:
    """Fuse the person's enrolled faces of one model anew, with `new_face` among them.

    What was brought ready-made, for them or for somebody who turned out to be them, counts for as
    many faces as it was made of. With neither that nor a face the template goes too. The caller
    holds the person's row. Returns the template, or None.
    """
    faces = [*_enrolled(person, model), *([] if new_face is None else [new_face])]
    own = _given(person, model)
    given = [each for each in (own, *_given_of_merged(person, model)) if each is not None]
    if not faces and not given:
        remove_templates(person, model)
        return None
    vectors = [bytes(face.vector) for face in faces] + [each.vector for each in given]
    counts = [1] * len(faces) + [each.faces for each in given]
    if len(vectors) == 1:  # as it is, to the last bit
        template = store_template(person, decode(vectors[0]), counts[0], model)
    else:
        template = store_template(person, fuse(decode_many(vectors), counts), sum(counts), model)
    # Beside it what was brought, if it is more than that.
    template.given_vector = own.vector if own and len(vectors) > 1 else None
    template.save(update_fields=["given_vector"])
    Face.objects.filter(pk__in=[face.pk for face in faces]).update(template=template)
    return template


def merged_into(person: Person) -> list[Person]:
    """Everybody who turned out to be this person, also by way of others; the nearest last."""
    found: list[Person] = []
    for each in person.merged_from.order_by("pk"):
        found += [*merged_into(each), each]
    return found


def _enrolled(person: Person, model: str) -> list[Face]:
    return list(
        Face.objects.filter(
            photo__person=person,
            photo__state=PhotoState.ENROLLED,
            unused_because="",
            model=model,
        ).order_by("id")
    )


class _Given(NamedTuple):
    """A template that was brought ready-made, and of how many faces."""

    vector: bytes
    faces: int


def _given(person: Person, model: str) -> _Given | None:
    held = person.templates.select_for_update().filter(model=model, given_faces__gt=0)
    template = held.first()
    if template is None:
        return None
    # Until a face is fused with it, it is the template itself.
    return _Given(bytes(template.given_vector or template.vector), template.given_faces)


def _given_of_merged(person: Person, model: str) -> list[_Given | None]:
    return [_given(each, model) for each in merged_into(person)]
