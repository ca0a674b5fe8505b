import django.db.models.deletion
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def in_their_galleries(apps, schema_editor):
    """Each where its person is."""
    people = apps.get_model("people", "Person").objects.filter(pk=OuterRef("person"))
    rows = apps.get_model("enrolment", "Admission").objects
    rows.update(gallery=Subquery(people.values("gallery")[:1]))
    if schema_editor.connection.vendor == "postgresql":
        # Checks that are left for the end of the transaction keep the table from being altered.
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        schema_editor.execute("SET CONSTRAINTS ALL DEFERRED")


class Migration(migrations.Migration):
    dependencies = [
        ("enrolment", "0004_photos_of_erasures"),
        ("people", "0005_held_and_merged"),
    ]

    operations = [
        migrations.AddField(
            model_name="admission",
            name="gallery",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="people.gallery",
            ),
        ),
        migrations.RunPython(in_their_galleries, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="admission",
            name="gallery",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="people.gallery",
            ),
        ),
        migrations.AddIndex(
            model_name="admission",
            index=models.Index(fields=["gallery", "stage", "id"], name="admissions_by_gallery"),
        ),
    ]
