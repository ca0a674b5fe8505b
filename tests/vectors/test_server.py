"""A Milvus server of its own kind: logins, foreign collections, what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import sets
from tests.factories import entries, unit
from tests.services import MilvusServer
from vectors import connection, milvus
from vectors.connection import Collection, server_label
from vectors.errors import ForeignCollection, LoginRefused

NAME = "likeness_server_test"


@pytest.fixture(scope="module")
def strict_server() -> Iterator[MilvusServer]:
    """A Milvus that wants a login."""
    with MilvusServer(logins=True) as server:
        yield server


@pytest.fixture
def server(strict_server: MilvusServer, settings: Any) -> Iterator[MilvusServer]:
    """The same, for this test named in the settings."""
    settings.MILVUS_URI, settings.MILVUS_TOKEN = strict_server.url, "root:Milvus"
    yield strict_server
    connection._connect.cache_clear()


@pytest.mark.parametrize("token", ["", "root:wrong"])
def test_a_refused_login_names_the_setting(server: MilvusServer, settings: Any, token: str) -> None:
    connection._connect.cache_clear()
    settings.MILVUS_TOKEN = token
    for _ in range(5):  # a refusal is an answer: the breaker stays closed
        with pytest.raises(LoginRefused, match=r"Correct MILVUS_TOKEN"):
            milvus.ping()


def test_what_is_written_is_found_at_once_in_its_gallery_alone(server: MilvusServer) -> None:
    collection = Collection(server_label(), NAME)
    milvus.create_collection(collection)
    made = entries(*((number, 7 + number % 2, number) for number in range(200)))
    for _ in range(2):  # the second time each replaces itself
        milvus.upsert(collection, made)
    milvus.delete(collection, [4, 5])
    milvus.await_visible(collection)

    found = [milvus.search(collection, unit(probe)[None], [7], 200)[0] for probe in (2, 3, 4)]
    assert [hits[0].template_id == probe for probe, hits in zip((2, 3, 4), found, strict=True)] == [
        True,
        False,
        False,
    ]
    even = {number for number in range(200) if number % 2 == 0} - {4}
    assert [{hit.template_id for hit in hits} for hits in found] == [even] * 3
    assert len(list(milvus.list_entries(collection))) == 198
    milvus.drop_collection(collection)
    assert not milvus.has_collection(collection)


def test_a_collection_that_is_not_ours_is_left_alone(server: MilvusServer) -> None:
    from pymilvus import DataType, MilvusClient

    client = MilvusClient(uri=server.url, token="root:Milvus", timeout=30)
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("template_id", DataType.INT64, is_primary=True)
    schema.add_field("gallery_id", DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=64)
    client.create_collection(NAME, schema=schema)
    with pytest.raises(ForeignCollection) as raised:
        milvus.has_collection(Collection(server_label(), NAME))
    client.drop_collection(NAME)

    assert raised.value.detail == (
        f"The collection {NAME} at {server.url} is not ours: its vectors have 64 numbers, "
        "not 128. Rename or drop it there, or name another Milvus in MILVUS_URI; ours is filled "
        "from the database."
    )


def test_it_says_its_version(server: MilvusServer) -> None:
    assert milvus.server_version() == "v2.3.5-lite"


@sets.about_the_embedded
def test_the_embedded_one_has_no_version(index: str) -> None:
    assert milvus.server_version() is None
