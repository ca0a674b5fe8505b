"""Every variable fails loudly, naming itself and the remedy; without any, all is embedded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.settings import env

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "DEBUG PUBLIC_URL ALLOWED_HOSTS HTTPS SECRET_KEY SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE "
    "SECURE_SSL_REDIRECT SECURE_HSTS_SECONDS MAX_UPLOAD_BYTES MAX_PIXELS CELERY_BROKER_URL "
    "MILVUS_URI MILVUS_TIMEOUT_SECONDS TORCH_THREADS LOG_LEVEL LOG_FORMAT METRICS_TOKEN DATABASES "
    "CSRF_TRUSTED_ORIGINS"
)


def read_settings(var_dir: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The settings as a fresh process reads them."""
    source = (
        "import json, sys; sys.path.insert(1, 'platform'); import config.settings as s; "
        f"print(json.dumps({{n: getattr(s, n) for n in '{NAMES}'.split()}}, default=str))"
    )
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(
        [sys.executable, "-c", source],
        cwd=ROOT,
        env={**clean, "LIKENESS_VAR_DIR": str(var_dir), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif((ROOT / ".env").exists(), reason="this checkout has an .env of its own")
def test_without_any_variable_everything_is_embedded(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    found = json.loads(read_settings(var_dir).stdout)

    assert var_dir.stat().st_mode & 0o777 == 0o700
    assert (var_dir / "secret_key").stat().st_mode & 0o777 == 0o600
    assert found.pop("SECRET_KEY") == (var_dir / "secret_key").read_text()
    database = found.pop("DATABASES")["default"]
    assert database["ENGINE"] == "django.db.backends.sqlite3"
    assert database["NAME"] == str(var_dir / "likeness.sqlite3")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert found == {
        "DEBUG": False,
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "ALLOWED_HOSTS": ["127.0.0.1", "[::1]", "localhost"],
        "CSRF_TRUSTED_ORIGINS": ["http://127.0.0.1:8000"],
        "HTTPS": False,
        "SESSION_COOKIE_SECURE": False,
        "CSRF_COOKIE_SECURE": False,
        "SECURE_SSL_REDIRECT": False,
        "SECURE_HSTS_SECONDS": 0,
        "MAX_UPLOAD_BYTES": 15 * 1024 * 1024,
        "MAX_PIXELS": 50_000_000,
        "CELERY_BROKER_URL": "filesystem://localhost",
        "MILVUS_URI": "",
        "MILVUS_TIMEOUT_SECONDS": 10,
        "TORCH_THREADS": 0,
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "line",
        "METRICS_TOKEN": "",
    }


@pytest.mark.skipif((ROOT / ".env").exists(), reason="this checkout has an .env of its own")
def test_production_is_a_matter_of_variables(tmp_path: Path) -> None:
    given = {
        "PUBLIC_URL": "https://faces.example.org/",
        "DATABASE_URL": "postgres://u:p@db.example.org:5433/likeness",
        "CELERY_BROKER_URL": "redis://queue.example.org/0",
        "MILVUS_URI": "http://milvus.example.org:19530",
        "SECRET_KEY": "given" * 10,
        "MAX_UPLOAD_MB": "20",
    }
    found = json.loads(read_settings(tmp_path, **given).stdout)
    database = found["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == (
        "db.example.org", 5433, "likeness",
    )  # fmt: skip
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (60, True)
    assert found["PUBLIC_URL"] == "https://faces.example.org"
    assert found["ALLOWED_HOSTS"] == ["127.0.0.1", "[::1]", "faces.example.org", "localhost"]
    assert found["SECRET_KEY"] == "given" * 10
    assert found["MAX_UPLOAD_BYTES"] == 20 * 1024 * 1024
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert found["SECURE_SSL_REDIRECT"]
    assert found["SECURE_HSTS_SECONDS"] == 31_536_000
    assert not (tmp_path / "secret_key").exists()


def test_a_wrong_variable_stops_the_start_and_says_how_to_mend_it(tmp_path: Path) -> None:
    done = read_settings(tmp_path, MAX_UPLOAD_MB="plenty")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "django.core.exceptions.ImproperlyConfigured: MAX_UPLOAD_MB is 'plenty', which cannot be "
        "read. Give a whole number from 1 to 200. (.env.example explains it.)"
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0", "NUMBER is 0. Give a whole number from 1 to 9."),
        ("10", "NUMBER is 10. Give a whole number from 1 to 9."),
        ("1.5", "NUMBER is '1.5', which cannot be read. Give a whole number from 1 to 9."),
        ("x", "NUMBER is 'x', which cannot be read. Give a whole number from 1 to 9."),
    ],
)
def test_numbers_have_a_range(monkeypatch: pytest.MonkeyPatch, value: str, message: str) -> None:
    monkeypatch.setenv("NUMBER", value)
    with pytest.raises(ImproperlyConfigured) as caught:
        env.number("NUMBER", 5, low=1, high=9)
    assert str(caught.value) == f"{message} (.env.example explains it.)"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", True), ("  ", True), ("no", False), ("FALSE", False), ("0", False), ("Yes", True)],
)
def test_yes_and_no(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:  # noqa: FBT001
    monkeypatch.setenv("FLAG", value)
    assert env.flag("FLAG", default=True) is expected


def test_neither_yes_nor_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAG", "maybe")
    with pytest.raises(ImproperlyConfigured, match=r"^FLAG is 'maybe'\. Say yes or no\."):
        env.flag("FLAG", default=True)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("ftp://x", r"^URL has the scheme 'ftp'\. Begin it with one of http://, https://\."),
        ("example.org", r"^URL has no scheme\. Begin it with one of http://, https://\."),
    ],
)
def test_addresses_have_a_scheme(monkeypatch: pytest.MonkeyPatch, value: str, message: str) -> None:
    monkeypatch.setenv("URL", value)
    with pytest.raises(ImproperlyConfigured, match=message):
        env.url("URL", "", ("http", "https"))


@pytest.mark.parametrize(
    "value",
    ["amqp://u:hun/ter2@h:5672//", "redis://:hun#ter2@h/0", "redis://u:1234/5@h", "redis://h:54x2"],
)
def test_an_address_without_a_readable_host_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("BROKER", f"redis://h:1/0;{value}")
    with pytest.raises(ImproperlyConfigured) as caught:
        env.servers("BROKER", "", ("amqp", "redis"))
    assert str(caught.value) == (
        "BROKER cannot be read. In a password write %23 for #, %2F for /, %3F for ?, %40 for @, "
        "%5B for [. (.env.example explains it.)"
    )


def test_several_addresses_are_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    value = "amqp://u:p@a:5672//;amqp://u:p@b//"
    monkeypatch.setenv("BROKER", value)
    assert env.servers("BROKER", "", ("amqp",)) == value
    assert env.servers("UNSET_BROKER", "", ("amqp",)) == ""


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("mysql://h/n", r"^DB has the scheme 'mysql'\. Begin it with one of sqlite://, postgres"),
        ("postgres://host/", r"^DB names no database\. End it with /NAME\."),
        ("postgres://h:port/n", r"^DB cannot be read\. Write postgres://USER:PASSWORD@HOST"),
    ],
)
def test_a_database_has_a_name(monkeypatch: pytest.MonkeyPatch, value: str, message: str) -> None:
    monkeypatch.setenv("DB", value)
    with pytest.raises(ImproperlyConfigured, match=message):
        env.database("DB", "")


def test_a_choice_is_one_of_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVEL", "LOUD")
    with pytest.raises(ImproperlyConfigured, match=r"^LEVEL is 'LOUD'\. Choose one of A, B\."):
        env.one_of("LEVEL", "A", ("A", "B"))


def test_lists_and_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORDS", " a, b ,,c ")
    assert env.words("WORDS", ["default"]) == ["a", "b", "c"]
    assert env.words("UNSET_WORDS", ["default"]) == ["default"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLDER", "media")
    assert env.folder("FOLDER", Path("/elsewhere")) == tmp_path / "media"
    assert (tmp_path / "media").stat().st_mode & 0o777 == 0o700
    assert env.place("UNSET_PLACE", tmp_path / "none") == tmp_path / "none"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("LIKENESS_VAR_DIR", "/proc/x", "LIKENESS_VAR_DIR is /proc/x, which can't be made"),
        ("MEDIA_ROOT", "/proc/x", "MEDIA_ROOT is /proc/x, which can't be made"),
        ("LIKENESS_MODELS_DIR", "/etc/passwd", "LIKENESS_MODELS_DIR is /etc/passwd, which is no f"),
        ("SECRET_KEY", "short", "SECRET_KEY has 5 characters. Give at least 50, at random."),
        ("METRICS_TOKEN", "short", "METRICS_TOKEN has 5 characters. Give at least 16, at random."),
        ("LOG_FORMAT", "xml", "LOG_FORMAT is 'xml'. Choose one of line, json."),
        ("PUBLIC_URL", "https://", "PUBLIC_URL is 'https:', which names no host."),
        ("DATABASE_URL", "foo", "DATABASE_URL has no scheme. Begin it with one of sqlite://"),
    ],
)
def test_a_command_says_what_is_wrong_in_one_line(
    tmp_path: Path, variable: str, value: str, message: str
) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "LIKENESS_VAR_DIR": str(tmp_path), variable: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"A setting is wrong: {message}")


def test_a_key_that_a_power_cut_emptied_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    key = json.loads(read_settings(tmp_path).stdout)["SECRET_KEY"]
    assert len(key) >= 50
    assert json.loads(read_settings(tmp_path).stdout)["SECRET_KEY"] == key


def test_a_file_of_variables_yields_to_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("LIKENESS_A=file\nLIKENESS_B=file\n")
    monkeypatch.setenv("LIKENESS_A", "environment")
    monkeypatch.setenv("LIKENESS_B", "")
    monkeypatch.delenv("LIKENESS_B")
    env.read_file(file)
    assert (os.environ["LIKENESS_A"], os.environ["LIKENESS_B"]) == ("environment", "file")
    env.read_file(tmp_path / "none")


@pytest.mark.parametrize(
    "url", ["postgres://likeness:hunter2@127.0.0.1:54x2/n", "postgres://likeness:hunt[er2@h/n"]
)
def test_a_password_in_a_wrong_address_is_not_shown(tmp_path: Path, url: str) -> None:
    done = read_settings(tmp_path, DATABASE_URL=url)
    assert done.returncode == 1
    assert "DATABASE_URL cannot be read." in done.stderr
    assert "hunt" not in done.stderr


def test_a_kept_secret_key_that_is_too_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("shorty")
    told = read_settings(tmp_path).stderr
    assert f"The secret key in {tmp_path / 'secret_key'} has 6 characters. Delete it" in told
