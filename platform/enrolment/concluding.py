"""What follows from the faces found on photos: for the photos, and for their people.

Photos that come together are concluded together, in a fixed number of statements however many they
are; but each is judged by what those before it have made of its person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.actors import system
from audit.services import Entry, record_all
from embedder.gates import Gates
from embedder.images import ImageInfo
from embedder.types import Box
from embedder.types import Face as FoundFace
from people.models import Gallery, Person, SeveralFaces
from photos.faces import box_figures, landmark_figures
from photos.models import Face, Photo, PhotoState
from photos.services import finish, set_final
from vectors.codec import encode

from .admitting import begin_admission
from .choice import Choice, choose
from .fitting import Fitting, Misfit, put_aside
from .following import note_missing
from .fusion import Makeup, makeups, store_makeups

NOT_CHOSEN = "not_chosen"
ACTOR = system("photo-worker")


@dataclass(frozen=True, slots=True)
class Found:
    """A photo, whom it was sent for, and the faces that its gallery's model found on it.

    The caller holds the person's row and the photo's, if it has one already.
    """

    photo: Photo
    person: Person | None
    info: ImageInfo
    faces: Sequence[FoundFace]


@dataclass(frozen=True, slots=True)
class _Concluded:
    """A photo with its faces as they are to be stored, the one chosen, and what is wrong with it.

    `makeup` is of the person whom it is enrolled for, if it is.
    """

    photo: Photo
    faces: list[Face]
    chosen: Face | None = None
    makeup: Makeup | None = None
    aside: tuple[Person, Misfit] | None = None


def conclude(found: Sequence[Found]) -> None:
    """Bring photos of one gallery to their final states, in this order.

    Those that have no row yet get one.
    """
    if not found:
        return
    gallery = found[0].photo.gallery
    people = {each.person.pk: each.person for each in found if each.person is not None}
    made_up = makeups(list(people.values()), gallery.model)
    fitting = Fitting(gallery)
    concluded = [_judge(each, gallery, made_up, fitting) for each in found]
    _store_photos(gallery.model, [each.photo for each in concluded])
    _enrol(gallery, [each for each in concluded if each.makeup is not None])
    _store_faces(concluded)
    for each in concluded:
        if each.aside is not None and each.chosen is not None:
            put_aside(each.photo, each.aside[0], each.chosen, each.aside[1])
    record_all(ACTOR, [_entry(each.photo) for each in concluded])


def _judge(
    found: Found, gallery: Gallery, made_up: dict[int, Makeup], fitting: Fitting
) -> _Concluded:
    """Decide on one photo. Nothing is written but into the person's makeup."""
    photo = found.photo
    choice = choose_on(photo, found.info, found.faces, gallery.gates)
    unused = choice.code or NOT_CHOSEN
    faces = [
        face_row(photo, gallery.model, face, "" if index == choice.index else unused)
        for index, face in enumerate(found.faces)
    ]
    if choice.index is None:
        set_final(photo, PhotoState.REJECTED, choice.code, choice.text)
        return _Concluded(photo, faces)
    chosen = faces[choice.index]
    if found.person is None:
        set_final(photo, PhotoState.REVIEW, "no_person", "A face was found. Say whose it is.")
        return _Concluded(photo, faces, chosen)
    makeup = made_up[found.person.pk]
    unlike = fitting.misfit(makeup, photo, found.faces[choice.index].template)
    if unlike is not None:
        set_final(photo, PhotoState.REVIEW)
        return _Concluded(photo, faces, chosen, aside=(found.person, unlike))
    makeup.add(bytes(chosen.vector))
    set_final(photo, PhotoState.ENROLLED)
    return _Concluded(photo, faces, chosen, makeup)


def _store_photos(model: str, photos: Sequence[Photo]) -> None:
    """New ones; of those that were there the state, without what was found on them before."""
    known = [each for each in photos if not each._state.adding]
    Photo.objects.bulk_create([each for each in photos if each._state.adding])
    for each in known:
        finish(each, PhotoState(each.state), each.code, each.text)
        each.faces.filter(model=model).delete()


def _store_faces(concluded: Sequence[_Concluded]) -> None:
    for each in concluded:
        if each.makeup is not None and each.chosen is not None:
            each.chosen.template = each.makeup.template
    Face.objects.bulk_create(face for each in concluded for face in each.faces)


def _enrol(gallery: Gallery, enrolled: Sequence[_Concluded]) -> None:
    """The chosen faces count from now on."""
    changed = {each.makeup.person.pk: each.makeup for each in enrolled if each.makeup is not None}
    enrol_into(gallery, list(changed.values()), [each.photo for each in enrolled])


def enrol_into(gallery: Gallery, changed: Sequence[Makeup], photos: Sequence[Photo]) -> None:
    """Store templates to which faces of these photos were added, and look for who is new."""
    first = [each.person for each in changed if each.template is None]
    # Before they have a template: so nothing of theirs is written to an index, to be taken out.
    begin_admission([person for person in first if person.active])
    store_makeups(changed)
    note_missing(photos, made_by=gallery.model)
    # Inactive, and with another face than the one that was looked for, if any was.
    others = [person.pk for person in first if not person.active and not person.held]
    Person.objects.filter(pk__in=others).update(admitted_at=None)


def enrol_face(person: Person, photo: Photo, face: Face) -> None:
    """A stored face counts from now on. The caller holds the rows of the person and the photo."""
    makeup = makeups([person], face.model)[person.pk]
    makeup.add(bytes(face.vector))
    enrol_into(person.gallery, [makeup], [photo])
    finish(photo, PhotoState.ENROLLED)
    face.template = makeup.template
    face.save(update_fields=["template"])


def choose_on(
    photo: Photo, info: ImageInfo, found: Sequence[FoundFace], gates: Gates | None
) -> Choice:
    """The face that is meant, by what was said with the photo or by its gallery's policy."""
    return choose(
        found,
        size=(info.width, info.height),
        gates=gates,
        several_faces=SeveralFaces(photo.several_faces or photo.gallery.several_faces),
        box=Box(**photo.face_box) if photo.face_box else None,
    )


def face_row(photo: Photo, model: str, found: FoundFace, unused_because: str) -> Face:
    """A face that a model found on a photo, to be stored, and why it doesn't count, if so."""
    return Face(
        photo=photo,
        **box_figures(found.detection.box),
        landmarks=landmark_figures(found.detection.landmarks),
        detector_score=found.detection.score,
        quality=found.quality.as_dict(),
        vector=encode(found.template),
        model=model,
        unused_because=unused_because,
    )


def _entry(photo: Photo) -> Entry:
    details = {"state": photo.state, **({"code": photo.code} if photo.code else {})}
    return Entry("photo.processed", f"photo:{photo.public_id}", photo.gallery.public_id, details)
