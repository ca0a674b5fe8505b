#!/usr/bin/env python
"""Likeness's command line: `manage.py help` lists what it can do."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run a management command."""
    # platform/ is a folder of packages and no package itself, so that it never shadows the
    # standard library's `platform` (docs/adr/0001-layout.md).
    sys.path.insert(1, str(Path(__file__).resolve().parent / "platform"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.conf import settings  # noqa: PLC0415
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    try:
        settings.VAR_DIR  # noqa: B018 - the settings are read at the first access
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"A setting is wrong: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
