"""Changing templates, inside the transaction of whatever changed the person."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from django.db.models import F
from django.utils import timezone

from people.models import Gallery, Person

from .codec import FloatArray, encode
from .generations import ensure_active_index
from .models import PersonTemplate
from .outbox import mark_dirty


def store_template(
    person: Person, vector: FloatArray, face_count: int, model: str = ""
) -> PersonTemplate:
    """Make or replace the person's template; without `model` that of their gallery's.

    Raises:
        InvalidTemplate: the numbers are no template.
    """
    model = model or person.gallery.model
    template = PersonTemplate.objects.select_for_update().filter(person=person, model=model).first()
    if template is None:
        template = PersonTemplate(person=person, model=model, version=0)
    template.person, template.vector, template.face_count = person, encode(vector), face_count
    store_templates(person.gallery, model, [template])
    return template


def store_templates(gallery: Gallery, model: str, templates: Sequence[PersonTemplate]) -> None:
    """Write new and changed templates of a gallery's people, all by one model, each a version on.

    Of those who are not to be found no index is told: whoever lets them in tells it
    (`touch_templates`). The caller holds the rows of the people and of the templates there are.
    """
    if not templates:
        return
    ensure_active_index(gallery)  # a gallery's first template finds it room in an index
    for each in templates:
        each.version += 1
    new = [each for each in templates if each._state.adding]
    known = [each for each in templates if not each._state.adding]
    PersonTemplate.objects.bulk_create(new)
    PersonTemplate.objects.bulk_create(
        known,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["vector", "face_count", "given_vector", "version", "updated_at"],
    )
    mark_dirty(gallery.pk, model, [each.pk for each in templates if each.person.active])


def remove_templates(person: Person, model: str = "") -> int:
    """Delete a person's template of a model, or all of them; Milvus follows through the outbox.

    Returns how many.
    """
    held = PersonTemplate.objects.select_for_update().filter(person=person)
    templates = list((held.filter(model=model) if model else held).values_list("pk", "model"))
    for pk, made_by in templates:
        mark_dirty(person.gallery_id, made_by, [pk])
    PersonTemplate.objects.filter(pk__in=[pk for pk, _ in templates]).delete()
    return len(templates)


def touch_templates(people: Collection[Person]) -> None:
    """Say that whether these people, of one gallery, are found has changed."""
    if not people:
        return
    held = PersonTemplate.objects.select_for_update().filter(person__in=people).order_by("pk")
    by_model: dict[str, list[int]] = defaultdict(list)
    for pk, model in held.values_list("pk", "model"):
        by_model[model].append(pk)
    keys = [pk for each in by_model.values() for pk in each]
    PersonTemplate.objects.filter(pk__in=keys).update(
        version=F("version") + 1, updated_at=timezone.now()
    )
    gallery_id = next(iter(people)).gallery_id
    for model, theirs in sorted(by_model.items()):
        mark_dirty(gallery_id, model, theirs)
