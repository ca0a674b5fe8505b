"""The files of docker/ as the tests read them."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
OURS = ("prepare", "web", "photos", "index", "maintenance", "imports", "beat")
LONG_RUNNING = ("web", "photos", "index", "maintenance", "imports", "beat")
_VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


def compose() -> dict[str, Any]:
    """compose.yaml with its anchors resolved, and its variables as they stand there."""
    return dict(yaml.safe_load((DOCKER / "compose.yaml").read_text()))


def services() -> dict[str, dict[str, Any]]:
    return dict(compose()["services"])


def variables(text: str) -> dict[str, tuple[str, str]]:
    """Every ${NAME:?why} and ${NAME:-default}: the sign, and what follows it."""
    return {name: (sign, rest) for name, sign, rest in _VARIABLE.findall(text)}


def filled(text: str, values: dict[str, str]) -> str:
    """A value as compose gives it to the container."""

    def value(found: re.Match[str]) -> str:
        name, sign, rest = found.groups()
        given = values.get(name, "")
        if given or sign == "-":
            return given or rest
        raise AssertionError(f"{name} has no value")

    return _VARIABLE.sub(value, text).replace("$$", "$")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each on one line."""
    text = re.sub(r"\\\n", " ", (DOCKER / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines()]
    return [tuple(line.split(maxsplit=1)) for line in lines if line and line[0] != "#"]  # type: ignore[misc]


def last_stage() -> list[tuple[str, str]]:
    every = instructions()
    begin = max(number for number, (word, _) in enumerate(every) if word == "FROM")
    return every[begin:]


def copies(stage: list[tuple[str, str]]) -> list[tuple[list[str], str]]:
    """What is copied out of the checkout: sources and target."""
    found = [shlex.split(rest) for word, rest in stage if word == "COPY"]
    return [(words[:-1], words[-1]) for words in found if not words[0].startswith("--from")]


def ignore_rules() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def lay_out(app: Path) -> None:
    """Make /app as `docker build` would, without Docker."""
    left_out = shutil.ignore_patterns(
        *(rule.removeprefix("**/") for rule in ignore_rules() if rule.startswith("**/"))
    )
    app.mkdir()
    for sources, target in copies(last_stage()):
        for source in sources:
            to = app / target / Path(source).name if target.endswith("/") else app / target
            to.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, to, ignore=left_out)
            else:
                shutil.copy(ROOT / source, to)
