"""Settings, and the files of the networks."""

import os
import stat
from pathlib import Path

from django.conf import settings

from embedder import weights
from embedder.errors import WeightsError
from operations.parts import Part, failed, ok, warning

_MODEL_FILES = (weights.DLIB_RESNET, weights.MTCNN_PNET, weights.MTCNN_RNET, weights.MTCNN_ONET)


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
    """Are the networks' files there, and those that we know?"""
    try:
        for file in _MODEL_FILES:
            weights.locate(file)
    except WeightsError as error:
        return failed("models", "a file is missing or another one", str(error))
    return ok("models", f"{len(_MODEL_FILES)} files with the right SHA-256")
