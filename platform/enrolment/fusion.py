"""The person's template, made again from the faces that count."""

from people.models import Person
from photos.models import Face, PhotoState
from vectors.codec import decode_many, fuse
from vectors.models import PersonTemplate
from vectors.services import remove_templates, store_template


def refresh_template(person: Person, new_face: Face | None = None) -> PersonTemplate | None:
    """Fuse the person's enrolled faces anew, with `new_face` among them.

    The caller holds the person's row. With no face left the template goes too; returns it, or
    None.
    """
    model = person.gallery.model
    faces = list(
        Face.objects.filter(
            photo__person=person,
            photo__state=PhotoState.ENROLLED,
            unused_because="",
            model=model,
        ).order_by("id")
    )
    if new_face is not None:
        faces.append(new_face)
    if not faces:
        remove_templates(person)
        return None
    vectors = decode_many(bytes(face.vector) for face in faces)
    template = store_template(person, fuse(vectors), len(faces))
    Face.objects.filter(pk__in=[face.pk for face in faces]).update(template=template)
    return template
