"""The person's templates, made again from the faces that count."""

from typing import NamedTuple

import numpy as np

from people.models import Person
from photos.models import Face, PhotoState
from vectors.codec import FloatArray, decode, decode_many, fuse
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

    What was brought ready-made counts for as many faces as it was made of. With neither that nor
    a face the template goes too. The caller holds the person's row. Returns the template, or None.
    """
    faces = [*_enrolled(person, model), *([] if new_face is None else [new_face])]
    given = _given(person, model)
    if not faces:
        return _as_given(person, model, given)
    vectors = decode_many(bytes(face.vector) for face in faces)
    counts = [1] * len(faces)
    if given is not None:
        vectors, counts = np.vstack([vectors, decode(given.vector)]), [*counts, given.faces]
    template = _store(person, model, fuse(vectors, counts), sum(counts), given)
    Face.objects.filter(pk__in=[face.pk for face in faces]).update(template=template)
    return template


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


def _as_given(person: Person, model: str, given: _Given | None) -> PersonTemplate | None:
    """With no face left: what was brought, as it was, or nothing."""
    if given is None:
        remove_templates(person, model)
        return None
    return _store(person, model, decode(given.vector), given.faces, None)


def _store(
    person: Person, model: str, vector: FloatArray, count: int, given: _Given | None
) -> PersonTemplate:
    """Store the template and beside it what was brought, if it is more than that."""
    template = store_template(person, vector, count, model)
    template.given_vector = given.vector if given else None
    template.save(update_fields=["given_vector"])
    return template
