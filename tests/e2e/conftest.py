"""Whole installations, and what they printed when a test fails."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import sets

from .browser import chromium
from .stack import Api, Stack, running

__all__ = ["chromium"]

_SHOWN_LINES = 80


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The installation that all tests share which break nothing."""
    with running(Stack(tmp_path_factory.mktemp("stack"), **sets.environment())) as started:
        yield started


@pytest.fixture(scope="session")
def api(stack: Stack) -> Iterator[Api]:
    """Its API, with an administrator's key."""
    api = Api(stack, stack.make_key())
    with api.http:
        api.accept_lfw()
        yield api


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Show the end of the log of every installation that a failed test used."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Stack):
                tail = "\n".join(value.log.splitlines()[-_SHOWN_LINES:])
                report.sections.append((f"What `manage.py up` printed ({value.url})", tail))
    return report
