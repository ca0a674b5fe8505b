"""Loaded by pytest before anything else: tests never touch the data of an installation."""

import atexit
import os
import shutil
import tempfile

_folder = tempfile.mkdtemp(prefix="likeness-tests-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["LIKENESS_VAR_DIR"] = _folder
# Whatever the environment of the machine names, tests say themselves which services they use.
for _variable in (
    "DATABASE_URL",
    "CELERY_BROKER_URL",
    "MILVUS_URI",
    "MILVUS_TOKEN",
    "MILVUS_NEXT_URI",
    "MILVUS_NEXT_TOKEN",
    "MEDIA_ROOT",
    "LEDGER_FILE",
    "LIKENESS_MODELS_DIR",
    "IMPORT_ROOTS",
    "IMPORT_URLS",
    "IMPORT_BUCKETS",
    "IMPORT_S3_ENDPOINT",
):
    os.environ.pop(_variable, None)

from tests import sets  # noqa: E402 - its servers find the environment as it is now

if sets.ON_POSTGRESQL:
    os.environ["DATABASE_URL"] = sets.postgres().make_database("likeness")
