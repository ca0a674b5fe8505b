"""What `embedder.py` measures: the kinds of work, the shares of a run's time, and memory."""

from __future__ import annotations

import io
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import distribution
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import psutil
import simplejpeg
import torch
from numpy.typing import NDArray
from PIL import Image

from embedder import images, weights
from embedder.catalogue import load_pipeline
from embedder.images import DecodedImage
from embedder.networks import dlib_resnet
from embedder.pipeline import Pipeline
from embedder.stream import BATCH

Work = tuple[Callable[[], object], int]
MODEL = "mtcnn-dlib-resnet"
MIN_FACE = 40.0
# dlib needs about 80 ms a face: a part of the batch tells as much.
DLIB_CROPS = 8
RECIPE_PHOTOS = 12
TWELVE_MEGAPIXELS = (4000, 3000)
PREDICTOR = "face_recognition_models/models/shape_predictor_5_face_landmarks.dat"
MEGABYTE = 1024 * 1024


def set_threads(threads: int) -> None:
    torch.set_num_threads(threads)


# --- Photos -----------------------------------------------------------------------------------


def small_photos(folder: Path, count: int = 4 * BATCH) -> list[bytes]:
    """Portraits of LFW, 250 x 250."""
    found = sorted(folder.glob("lfw-dev/images/*/*_0001.jpg"))
    if not found:
        sys.exit(f"NO PHOTOS: {folder} has no lfw-dev; name a folder with --data")
    return [path.read_bytes() for path in islice(cycle(found), count)]


def large_photos(folder: Path) -> list[bytes]:
    """Three of 4000 x 3000: a portrait enlarged, a group enlarged, a portrait with much around it.

    Real photos; around the last, the same photo mirrored again and again, out of focus.
    """
    portrait, group, third = (
        Image.open(folder / "photos" / name).convert("RGB")
        for name in ("obama.jpg", "multiface.jpg", "kate_siegel.jpg")
    )
    small = third.resize((560, 803), Image.Resampling.LANCZOS)
    around = third.resize((40, 57)).resize(TWELVE_MEGAPIXELS, Image.Resampling.BICUBIC)
    around.paste(small, (1500, 1100))
    return [_jpeg(_covering(portrait)), _jpeg(_covering(group)), _jpeg(around)]


def _covering(picture: Image.Image) -> Image.Image:
    """Enlarged to cover 12 megapixels, and cut to them around its middle."""
    width, height = TWELVE_MEGAPIXELS
    factor = max(width / picture.width, height / picture.height)
    large = picture.resize(
        (round(picture.width * factor), round(picture.height * factor)), Image.Resampling.LANCZOS
    )
    left, top = (large.width - width) // 2, (large.height - height) // 4
    return large.crop((left, top, left + width, top + height))


def _jpeg(picture: Image.Image) -> bytes:
    return images.encode_jpeg(np.array(picture), quality=90)


# --- The kinds of work ------------------------------------------------------------------------


def prepare(work: str, folder: Path) -> Work:
    """What to run, and how many faces or photos that is."""
    kind, _, how = work.partition(", ")
    if kind == "network":
        return _network(how, _crops(folder))
    if kind == "recipe":
        return _recipe(how, folder)
    if kind == "detection":
        return _detection(how, folder)
    return _pipeline(work, folder)


def _network(how: str, crops: NDArray[np.uint8]) -> Work:
    if how == "dlib":
        import dlib

        reference = dlib.face_recognition_model_v1(str(weights.locate(weights.DLIB_RESNET)))
        few = crops[:DLIB_CROPS]
        return lambda: [reference.compute_face_descriptor(crop, 0) for crop in few], len(few)
    network = dlib_resnet.load(bf16=False if how == "fp32" else None)
    return lambda: network.embed(crops), len(crops)


def _crops(folder: Path) -> NDArray[np.uint8]:
    """(32, 150, 150, 3): the largest face of each photo."""
    pipeline = load_pipeline(MODEL)
    pictures = [images.decode(photo) for photo in small_photos(folder, BATCH)]
    found = pipeline.detect(pictures, min_face=MIN_FACE)
    return np.concatenate(
        [pipeline.crops(p, faces[:1]) for p, faces in zip(pictures, found, strict=True)]
    )


def _detection(how: str, folder: Path) -> Work:
    pipeline = load_pipeline(MODEL)
    pictures = [images.decode(photo) for photo in small_photos(folder, BATCH)]
    size = 1 if how == "one by one" else BATCH
    batches = [pictures[at : at + size] for at in range(0, len(pictures), size)]
    return lambda: [pipeline.detect(b, min_face=MIN_FACE) for b in batches], len(pictures)


def _pipeline(work: str, folder: Path) -> Work:
    """Photos as bytes to templates, a run on each core."""
    runs = torch.get_num_threads()
    pipeline = load_pipeline(MODEL, threads=1)
    if work.endswith("unmirrored"):
        pipeline = Pipeline(pipeline._aligner.detector, pipeline._network, mirrored=False)
    photos = 2 * large_photos(folder) if "12 MP" in work else small_photos(folder)

    def run() -> None:
        outcomes = list(pipeline.stream(photos, min_face=MIN_FACE, runs=runs))
        if not all(outcome.faces for outcome in outcomes):
            raise SystemExit("a photo whose face was not found: the comparison would be unfair")

    return run, len(photos)


def _recipe(how: str, folder: Path) -> Work:
    large = "12 MP" in how
    photos = large_photos(folder) if large else small_photos(folder, RECIPE_PHOTOS)
    return recipe(photos, doubled=not how.endswith("not doubled")), len(photos)


def recipe(photos: Sequence[bytes], *, doubled: bool = True) -> Callable[[], None]:
    """Photos as bytes to dlib's descriptors, as `face_recognition` makes them."""
    import dlib

    detector = dlib.get_frontal_face_detector()
    models = distribution("face_recognition_models")
    predictor = dlib.shape_predictor(str(models.locate_file(PREDICTOR)))
    network = dlib.face_recognition_model_v1(str(weights.locate(weights.DLIB_RESNET)))

    def run() -> None:
        for photo in photos:
            pixels = np.array(Image.open(io.BytesIO(photo)).convert("RGB"))
            for box in detector(pixels, int(doubled)):
                network.compute_face_descriptor(pixels, predictor(pixels, box), 1)

    return run


# --- Where the time goes ----------------------------------------------------------------------


class Clock:
    """Seconds spent in the networks and in decoding JPEG."""

    def __init__(self) -> None:
        self.seconds = {"networks": 0.0, "decoding": 0.0}
        self._depth, self._began = 0, 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count what torch's modules and libjpeg take."""
        module = torch.nn.modules.module
        hooks = [
            module.register_module_forward_pre_hook(self._enter),
            module.register_module_forward_hook(self._leave),
        ]
        decode = simplejpeg.decode_jpeg
        simplejpeg.decode_jpeg = self._timed(decode)
        try:
            yield
        finally:
            simplejpeg.decode_jpeg = decode
            for hook in hooks:
                hook.remove()

    def _enter(self, *_: object) -> None:
        if self._depth == 0:
            self._began = perf_counter()
        self._depth += 1

    def _leave(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds["networks"] += perf_counter() - self._began

    def _timed(self, decode: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            begin = perf_counter()
            try:
                return decode(*arguments, **options)
            finally:
                self.seconds["decoding"] += perf_counter() - begin

        return timed


def shares(folder: str, rounds: int) -> dict[str, dict[str, float]]:
    """Median shares of a run in one thread: networks, decoding JPEG, and what is outside both."""
    pipeline = load_pipeline(MODEL, threads=1)
    photos = {
        "photos of 250 px": small_photos(Path(folder), BATCH),
        "photos of 12 MP": large_photos(Path(folder)),
    }
    return {name: _shares(pipeline, each, rounds) for name, each in photos.items()}


def _shares(pipeline: Pipeline, photos: Sequence[bytes], rounds: int) -> dict[str, float]:
    _one_run(pipeline, photos)
    found: list[dict[str, float]] = []
    for _ in range(rounds):
        clock = Clock()
        begin = perf_counter()
        with clock.watching():
            _one_run(pipeline, photos)
        whole = perf_counter() - begin
        parts = {name: seconds / whole for name, seconds in clock.seconds.items()}
        found.append({**parts, "outside": 1 - sum(parts.values())})
    return {name: statistics.median(row[name] for row in found) for name in found[0]}


def _one_run(pipeline: Pipeline, photos: Sequence[bytes]) -> None:
    pictures: list[DecodedImage] = [images.decode(p, min_face=MIN_FACE) for p in photos]
    pipeline.process(pictures, min_face=MIN_FACE)


# --- Memory -----------------------------------------------------------------------------------


def memory(folder: str, count: int) -> dict[str, list[dict[str, float]]]:
    """RSS in MB over so many photos, streamed on all cores: median and most of each tenth."""
    pipeline = load_pipeline(MODEL, threads=1)
    # Every photo of LFW, and now and then a larger one: arrays of many sizes.
    paths = sorted(Path(folder).glob("lfw-dev/images/*/*.jpg"))
    for number, larger in enumerate(sorted(Path(folder).glob("photos/*.jpg"))):
        paths.insert(300 * number, larger)
    photos = (path.read_bytes() for path in islice(cycle(paths), count))
    rows: list[dict[str, float]] = []
    seen: list[float] = []
    for number, _ in enumerate(pipeline.stream(photos, min_face=MIN_FACE), start=1):
        seen.append(psutil.Process().memory_info().rss / MEGABYTE)
        if number % (count // 10) == 0:
            rows.append({"photos": number, "mb": statistics.median(seen), "most": max(seen)})
            seen.clear()
    return {"rows": rows}
