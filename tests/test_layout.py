"""A package called `platform` shadows the standard library's module unless it is laid out so."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[1]
PLATFORM = ROOT / "platform"
TESTS = ROOT / "tests"


def python(source: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-c", source],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_no_module_lies_loose_in_platform() -> None:
    assert list(PLATFORM.glob("*.py")) == []


def test_tests_do_not_mirror_the_folder_platform_itself() -> None:
    assert not (TESTS / "platform").exists()


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in TESTS.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_python_at_the_root_finds_the_standard_library_s_platform() -> None:
    found = python("import platform, uuid; print(platform.__file__, platform.python_version())")
    assert found.split()[0].endswith("/platform.py")
    assert str(ROOT) not in found.split()[0] or "/.venv/" in found


def test_manage_py_finds_the_standard_library_s_platform() -> None:
    found = python(
        "import sys; sys.argv = ['manage.py', 'version']; import manage; manage.main(); "
        "import platform; print(platform.__file__)"
    )
    assert found.endswith("/platform.py")


def test_no_app_is_called_like_a_module_of_the_standard_library() -> None:
    ours = {path.name for path in PLATFORM.iterdir() if (path / "__init__.py").is_file()}
    ours |= {"workers", "embedder", "tests", "benchmarks"}
    assert ours & set(sys.stdlib_module_names) == set()
    apps_here = [each for each in apps.get_app_configs() if Path(each.path).parent == PLATFORM]
    assert {each.name for each in apps_here} < ours


def test_neither_torch_nor_pymilvus_is_imported_when_django_starts() -> None:
    loaded = python(
        "import sys; sys.path.insert(1, 'platform'); "
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'; "
        "import django; django.setup(); import config.urls, config.celery, django.core.checks; "
        "print(sorted({'torch', 'pymilvus', 'grpc', 'milvus_lite', 'joblib'} & set(sys.modules)))"
    )
    assert loaded == "[]"


@pytest.mark.django_db
def test_every_change_of_the_models_has_its_migration() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_django_finds_nothing_to_complain_of() -> None:
    call_command("check", fail_level="WARNING")
