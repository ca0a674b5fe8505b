"""Changing templates, inside the transaction of whatever changed the person."""

from people.models import Person

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
    data = encode(vector)
    ensure_active_index(person.gallery)  # a gallery's first template finds it room in an index
    model = model or person.gallery.model
    template = PersonTemplate.objects.select_for_update().filter(person=person, model=model).first()
    if template is None:
        template = PersonTemplate(person=person, model=model, version=0)
    template.vector, template.face_count = data, face_count
    template.version += 1
    template.save()
    mark_dirty(person.gallery_id, model, [template.pk])
    return template


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


def touch_templates(person: Person) -> None:
    """Say that whether this person is found has changed."""
    for template in PersonTemplate.objects.select_for_update().filter(person=person):
        template.version += 1
        template.save(update_fields=["version", "updated_at"])
        mark_dirty(person.gallery_id, template.model, [template.pk])
