"""Reading the environment: every variable has a type, a default or a reason, and a loud failure."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")


_ESCAPE = "In a password write %23 for #, %2F for /, %3F for ?, %40 for @, %5B for [."


def fail(variable: str, problem: str, remedy: str) -> ImproperlyConfigured:
    """An error that names the variable, what is wrong with it and how to mend it."""
    return ImproperlyConfigured(f"{variable} {problem}. {remedy} (.env.example explains it.)")


def read_file(path: Path) -> None:
    """Take variables from a `.env` file; the real environment wins."""
    if path.is_file():
        environ.Env.read_env(str(path))


def text(variable: str, default: str = "") -> str:
    """A string; unset and empty are the same."""
    return os.environ.get(variable, "").strip() or default


def folder(variable: str, default: Path) -> Path:
    """A folder that can be written to, made if need be; a relative path counts from here."""
    return _writable(variable, Path(text(variable, str(default))).expanduser().resolve())


def place(variable: str, default: Path) -> Path:
    """A folder that need neither be there nor be writable; a relative path counts from here."""
    path = Path(text(variable, str(default))).expanduser().resolve()
    if path.exists() and not path.is_dir():
        raise fail(variable, f"is {path}, which is no folder", "Name a folder.")
    return path


def file(variable: str, default: Path) -> Path:
    """A file in a folder that can be written to; a relative path counts from here."""
    path = Path(text(variable, str(default))).expanduser().resolve()
    if path.is_dir():
        raise fail(variable, f"is {path}, which is a folder", "Name a file.")
    return _writable(variable, path.parent) / path.name


def long_enough(variable: str, value: str, length: int, remedy: str = "") -> str:
    """A secret of at least `length` characters."""
    if len(value) < length:
        remedy = remedy or f"Give at least {length}, at random."
        raise fail(variable, f"has {len(value)} characters", remedy)
    return value


def number(variable: str, default: int, *, low: int, high: int) -> int:
    """A whole number between `low` and `high`, both included."""
    raw = text(variable, str(default))
    remedy = f"Give a whole number from {low} to {high}."
    value = _parse(variable, raw, int, remedy)
    if not low <= value <= high:
        raise fail(variable, f"is {value}", remedy)
    return value


def flag(variable: str, *, default: bool) -> bool:
    """A yes or no."""
    raw = text(variable, "yes" if default else "no").lower()
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise fail(variable, f"is {raw!r}", "Say yes or no.")


def words(variable: str, default: list[str]) -> list[str]:
    """A list, separated by commas."""
    raw = text(variable)
    return [word.strip() for word in raw.split(",") if word.strip()] if raw else default


def folders(variable: str) -> list[Path]:
    """Folders that may or may not be there, with absolute paths, separated by commas."""
    found = [Path(word).expanduser() for word in words(variable, [])]
    for path in found:
        if not path.is_absolute() or len(path.parts) == 1:
            raise fail(variable, f"has {str(path)!r}", "Name folders below / by absolute paths.")
    return found


def one_of(variable: str, default: str, choices: tuple[str, ...]) -> str:
    """One of the names given."""
    value = text(variable, default)
    if value not in choices:
        raise fail(variable, f"is {value!r}", f"Choose one of {', '.join(choices)}.")
    return value


def url(variable: str, default: str, schemes: tuple[str, ...]) -> str:
    """An address whose scheme is one of `schemes`."""
    value = text(variable, default)
    if not value:
        return ""
    try:
        scheme = urlsplit(value).scheme
    except ValueError:
        # Without its text, which may hold a password.
        raise fail(variable, "cannot be read", _ESCAPE) from None
    if scheme not in schemes:
        raise fail(
            variable,
            f"has the scheme {scheme!r}" if scheme else "has no scheme",
            f"Begin it with one of {', '.join(f'{name}://' for name in schemes)}.",
        )
    return value


def servers(variable: str, default: str, schemes: tuple[str, ...]) -> str:
    """The address of a server, or several with semicolons between them, each with a readable host.

    It is not quoted when it can't be read: it may hold a password.
    """
    value = url(variable, default, schemes)
    if not all(_names_its_host(part) for part in value.split(";")):
        raise fail(variable, "cannot be read", _ESCAPE)
    return value


def _names_its_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - asked for the ValueError
    except ValueError:
        return False
    # A character of the password that ended the host's part leaves its @ behind it.
    return "@" not in parts.path + parts.query + parts.fragment


def web_address(variable: str, default: str) -> str:
    """The address of a web site, without a slash at its end."""
    value = url(variable, default, ("http", "https")).rstrip("/")
    if not urlsplit(value).hostname:
        raise fail(variable, f"is {value!r}, which names no host", "Write https://HOST.")
    return value


def database(variable: str, default: str) -> dict[str, object]:
    """Django's settings of a database from its URL."""
    raw = url(variable, default, ("sqlite", "postgres", "postgresql"))
    try:
        config: dict[str, object] = environ.Env.db_url_config(raw)
    except (ValueError, environ.ImproperlyConfigured):
        remedy = f"Write postgres://USER:PASSWORD@HOST:PORT/NAME. {_ESCAPE}"
        raise fail(variable, "cannot be read", remedy) from None
    if not config.get("NAME"):
        raise fail(variable, "names no database", "End it with /NAME.")
    return config


def _writable(variable: str, path: Path) -> Path:
    remedy = "Name a folder that this user may write to."
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise fail(
            variable, f"is {path}, which can't be made ({error.strerror})", remedy
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise fail(variable, f"is {path}, which can't be written to", remedy)
    return path


def _parse(variable: str, raw: str, parse: Callable[[str], T], remedy: str) -> T:
    try:
        return parse(raw)
    except (ValueError, environ.ImproperlyConfigured) as error:
        raise fail(variable, f"is {raw!r}, which cannot be read", remedy) from error
