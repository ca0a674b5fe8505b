"""The README's first five minutes, typed as they stand there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .stack import ROOT, Stack

SECTION = "The first five minutes with the API"
WAITS = "a second later"  # what the README says before a command whose answer takes its time
LEFT_OUT = "manage.py demo"  # the reader's own photos
PYTHON = ".venv/bin/python"
_SEPARATOR = "---- the next block ----"


def section() -> str:
    readme = (ROOT / "README.md").read_text("utf-8")
    (found,) = re.findall(rf"^## {SECTION}\n(.*?)^## ", readme, re.MULTILINE | re.DOTALL)
    return str(found)


def blocks() -> Iterator[tuple[str, str]]:
    """What the README says before each block of commands, and the commands."""
    for prose, block in re.findall(
        r"(.*?)^```console\n(.*?)^```$", section(), re.MULTILINE | re.DOTALL
    ):
        commands = re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE)
        if LEFT_OUT not in block:
            yield prose, "\n".join(commands).replace("\\\n", " ")


def until(command: str, text: str) -> str:
    """Bash that repeats a command until its output holds the text, for a minute at most."""
    return (
        f"for _ in $(seq 240); do if [[ $({command}) == *'{text}'* ]]; then break; fi; "
        "sleep 0.25; done"
    )


def script(stack: Stack) -> tuple[str, list[str]]:
    """The whole section as one script, and what its blocks are about."""
    lines, names = ["set -euo pipefail"], []
    for prose, commands in blocks():
        if WAITS in prose.lower():
            lines.append(until(commands, '"searchable":true'))
        lines += [commands, f"echo; echo '{_SEPARATOR}'"]
        names.append(next((word for word in ("Enrol", "Identify", "Erase") if word in prose), ""))
    # And once more, when the person is gone.
    (identify,) = (commands for _, commands in blocks() if "/identify" in commands)
    lines += [identify, f"echo; echo '{_SEPARATOR}'"]
    status = "curl -s -o gone.json -w '%{http_code}'"
    lines.append(f'{status} -H "Authorization: Api-Key $KEY" $API/people/$PERSON')
    text = "\n".join(lines).replace("http://127.0.0.1:8000", stack.url)
    return (text if (ROOT / PYTHON).exists() else text.replace(PYTHON, sys.executable)), names


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the checkout to the commands, and may be written to."""
    made = tmp_path_factory.mktemp("readme")
    for name in (".venv", "manage.py"):
        if (ROOT / name).exists():
            (made / name).symlink_to(ROOT / name)
    return made


@pytest.mark.skipif(
    not shutil.which("curl") and os.environ.get("CI") != "true", reason="no curl on this machine"
)
def test_the_first_five_minutes_go_as_the_readme_says(stack: Stack, folder: Path) -> None:
    text, names = script(stack)
    assert stack.url in text

    done = subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env={**stack.env, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    answers = [answer.strip() for answer in done.stdout.split(_SEPARATOR)]
    assert len(answers) == len(names) + 2, said
    assert [name for name in names if name] == ["Enrol", "Identify", "Erase"], said
    *_, received, photos, found, erased, nobody, status = answers
    assert json.loads(received)["state"] == "received"
    (photo,) = json.loads(photos)["results"]
    assert (photo["state"], photo["searchable"]) == ("enrolled", True), said
    answer = json.loads(found)
    best = answer["faces"][0]["candidates"][0]
    assert best["person"]["name"] == "Eileen Collins", said
    assert answer["searched"] >= 1
    assert best["score"] > 0.97
    assert shown().keys() == answer.keys()
    assert shown()["faces"][0].keys() <= answer["faces"][0].keys()
    assert shown()["model"] == answer["model"]
    assert erased == ""
    assert "Eileen Collins" not in nobody
    assert json.loads(nobody)["searched"] == answer["searched"] - 1
    assert status == "404"


def shown() -> dict[str, Any]:
    """The answer that the README prints."""
    (found,) = re.findall(r"^```json\n(.*?)^```$", section(), re.MULTILINE | re.DOTALL)
    example: dict[str, Any] = json.loads(found)
    return example
