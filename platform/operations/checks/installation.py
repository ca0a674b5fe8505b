"""Settings, and the files of the networks."""

import os
import stat
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from common.errors import Problem
from operations.parts import Part, failed, ok, warning
from people.catalogue import changed, installed_model, is_changed, models_in_use
from people.models import DEFAULT_MODEL


def settings_used() -> Part:
    """Who reads this wants to know what is configured; a wrong setting stops every command."""
    if settings.DEBUG:
        return warning(
            "settings",
            "DEBUG shows everybody the inside of the server",
            "Set DEBUG=no where others can reach it.",
        )
    kept = Path(settings.VAR_DIR) / "secret_key"
    if os.environ.get("SECRET_KEY"):
        return ok("settings", "the secret key is that of SECRET_KEY")
    if stat.S_IMODE(kept.stat().st_mode) & (stat.S_IRGRP | stat.S_IROTH):
        return warning(
            "settings",
            "others on this machine can read the secret key",
            f"chmod 600 {kept}",
            where=str(kept),
        )
    return ok("settings", "the secret key is that of the data folder")


def models() -> Part:
    """Are the files of galleries' models there, and those that we know?"""
    try:
        names, readable = models_in_use(), True
    except DatabaseError:
        names, readable = [DEFAULT_MODEL], False  # the check of the database says why
    try:
        found = [installed_model(name) for name in names]
    except Problem as problem:
        return failed("models", "one that is in use is not installed", problem.detail)
    for model in found:
        if readable and is_changed(model):
            return failed("models", "one is another than before", changed(model.name))
    files = {file for model in found for file in (*model.detector.files, *model.network.files)}
    return ok("models", f"{len(files)} files with the right SHA-256")
