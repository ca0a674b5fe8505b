"""The API's description is a promise: a change of it shows in docs/openapi.yaml.

Renew it with: `.venv/bin/python manage.py spectacular --validate --fail-on-warn \
--file docs/openapi.yaml`
"""

from io import StringIO
from pathlib import Path

from django.core.management import call_command

SNAPSHOT = Path(__file__).resolve().parents[1] / "docs" / "openapi.yaml"


def test_the_description_is_the_one_that_is_kept() -> None:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    assert out.getvalue().strip() == SNAPSHOT.read_text("utf-8").strip()
