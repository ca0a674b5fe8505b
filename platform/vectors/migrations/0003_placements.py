"""Galleries that were searched in a generation are placed in it."""

from django.apps.registry import Apps
from django.db import migrations


def place(apps: Apps, _: object) -> None:
    placement = apps.get_model("vectors", "Placement")
    for active in apps.get_model("vectors", "ActiveIndex").objects.all():
        placement.objects.get_or_create(gallery=active.gallery, generation=active.generation)


class Migration(migrations.Migration):
    dependencies = [("vectors", "0002_generations")]
    operations = [migrations.RunPython(place, migrations.RunPython.noop)]
