"""Celery tasks: thin, idempotent, with ids for arguments. The work itself is in services."""

import sys
from pathlib import Path

# `celery` and other programs start without manage.py's paths when the project isn't installed.
_platform = str(Path(__file__).resolve().parents[1] / "platform")
if _platform not in sys.path:
    sys.path.insert(1, _platform)
