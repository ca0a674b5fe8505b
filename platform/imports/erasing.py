"""What imports hold of somebody: names of files, too, may name them."""

from __future__ import annotations

from django.db.models import Q

from people.models import Person

from .models import ImportItem, ImportJob

ERASED = "(erased)"


def forget_person(person: Person) -> None:
    """Take somebody out of the files of all jobs; that there were such files, stays."""
    theirs = Q(person=person)
    if person.external_id:
        theirs |= Q(job__gallery=person.gallery_id, external_id=person.external_id)
    ImportItem.objects.filter(theirs).update(
        name=ERASED, key="", external_id="", person_name="", metadata={}, sha256="", text=""
    )
    for job in ImportJob.objects.filter(gallery=person.gallery_id, plan__isnull=False):
        _forget_examples(job, person)


def _forget_examples(job: ImportJob, person: Person) -> None:
    """A plan shows the names of some files that can't be used."""
    plan = job.plan or {}
    examples = plan.get("examples", [])
    named = [each for each in (person.external_id, person.name) if each]
    kept = [each for each in examples if not any(name in each["name"] for name in named)]
    if len(kept) < len(examples):
        job.plan = {**plan, "examples": kept}
        job.save(update_fields=["plan"])
