"""A bucket of an S3-compatible store, through a real server on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from imports.errors import MissingExtra, SourceNotAllowed, UnusableSource
from imports.sources import Refused, open_bucket, open_source

from .archives import LIMITS, contents, entries, ignored, losses, refusals


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a store without anything in it."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(store: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket called photos, which may be imported from."""
    import boto3

    for name, value in (("ACCESS_KEY_ID", "me"), ("SECRET_ACCESS_KEY", "secret")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings.IMPORT_BUCKETS = ["photos"]
    settings.IMPORT_S3_ENDPOINT = store
    found = boto3.resource("s3", endpoint_url=store).Bucket("photos")
    found.create()
    yield found
    found.objects.all().delete()
    found.delete()


def test_objects_by_their_keys(bucket: Any) -> None:
    files = {
        "in/Anna/1.jpg": b"anna",
        "in/é\u202e/2.jpg": b"two",
        "in/empty.jpg": b"",
        "in/../up.jpg": b"x",
        "in/inner.zip": b"PK",
        "in/.hidden": b"",
        "in/large.jpg": bytes(1_000_001),
        "other/3.jpg": b"three",
    }
    for key, data in files.items():
        bucket.put_object(Key=key, Body=data)
    with open_bucket("photos", "in/", LIMITS) as source:
        assert refusals(source) == {
            "../up.jpg": "unsafe_name",
            "inner.zip": "nested_archive",
            "large.jpg": "too_large",
        }
        assert ignored(source) == {".hidden": "hidden"}
        assert losses(source) == []
        assert contents(source) == {
            "Anna/1.jpg": b"anna",
            "é\u202e/2.jpg": b"two",
            "empty.jpg": b"",
        }
        assert {e.name: head for e, head in source.read(entries(source), first=2)} == {
            "Anna/1.jpg": b"an",
            "é\u202e/2.jpg": b"tw",
            "empty.jpg": b"",
        }
        whole = list(source.listing())
        assert list(source.listing(3)) == whole[3:]
    with open_source("s3://photos/other/3") as source:
        assert [each.key for each in entries(source)] == ["other/3.jpg"]


def test_objects_that_change_or_go(bucket: Any) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        bucket.put_object(Key=name, Body=b"12345")
    with open_bucket("photos", "", LIMITS) as source:
        listed = entries(source)
        bucket.put_object(Key="a.jpg", Body=b"123")
        bucket.Object("b.jpg").delete()
        found = [d.code if isinstance(d, Refused) else d for _, d in source.read(listed)]
        assert found == ["changed", "changed", b"12345"]
        bucket.put_object(Key="c.jpg", Body=bytes(2_000_000))
        ((_, large),) = source.read(listed[2:])
        assert isinstance(large, Refused)
        assert large.code == "too_large"
    with open_bucket("photos", "", replace(LIMITS, entries=1)) as source:
        assert losses(source) == ["too_many_entries"]


def test_what_can_not_be_opened(bucket: Any, settings: Any) -> None:
    with pytest.raises(SourceNotAllowed, match="IMPORT_BUCKETS"):
        open_bucket("others", "", LIMITS)
    settings.IMPORT_BUCKETS = ["photos", "none"]
    with pytest.raises(UnusableSource, match="NoSuchBucket"):
        open_bucket("none", "", LIMITS)
    settings.IMPORT_S3_ENDPOINT = "http://127.0.0.1:9"
    with pytest.raises(UnusableSource, match="EndpointConnectionError"):
        open_bucket("photos", "", LIMITS)


def test_without_the_extra_it_is_said(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "storages.backends.s3", None)
    with pytest.raises(MissingExtra, match="make extra-s3"):
        open_bucket("photos", "", LIMITS)
