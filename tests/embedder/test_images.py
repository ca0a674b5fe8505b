from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, features

from embedder import images
from embedder.errors import ImageError
from embedder.types import Box
from tests.embedder.pictures import exif_block, png, png_chunk, saved, scene

JPEG = saved(scene(), "JPEG", quality=95)
PROGRESSIVE = saved(scene(), "JPEG", quality=95, progressive=True)
CMYK = saved(scene().convert("CMYK"), "JPEG")
PNG = saved(scene(), "PNG")


def code_of(data: bytes, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        images.decode(data, **options)
    assert caught.value.message.endswith(".")
    return caught.value.code


def pixels_of(data: bytes) -> np.ndarray:
    return images.decode(data).pixels.astype(int)


def close(data: bytes, expected: Image.Image, tolerance: float = 2.0) -> bool:
    wanted = np.asarray(expected.convert("RGB"), dtype=int)
    return bool(np.abs(pixels_of(data) - wanted).mean() < tolerance)


# What is refused


def test_an_empty_file_is_refused() -> None:
    assert code_of(b"") == "empty_file"


@pytest.mark.parametrize(
    "data",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"<!doctype html><html></html>",
        b"%PDF-1.7\n",
        b"8BPS\0\1" + bytes(40),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        saved(scene(), "TIFF"),
        b"SIMPLE  =                    T" + b" " * 60,
        saved(scene(), "JPEG2000"),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
        b"just some text",
        b"BM is how this text begins, and it is no bitmap",
        b"\0",
        b"PK\3\4" + bytes(100),
        saved(scene(), "ICO"),
        saved(scene(), "PPM"),
    ],
    ids=lambda data: data[:12].hex(),
)
def test_other_formats_are_refused(data: bytes) -> None:
    assert code_of(data) == "unsupported_format"


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_more_than_fifty_megapixels_are_refused_from_the_header(name: str) -> None:
    data = bytearray(saved(scene(), name))
    forge_size(data, name, 9000, 9000)
    assert code_of(bytes(data)) == "too_many_pixels"


@pytest.mark.parametrize("side", [10_000, 14_000, 60_000])
def test_pillows_own_limits_do_not_get_in_the_way(side: int) -> None:
    header = png(side, side, b"")
    assert code_of(header) == "too_many_pixels"


def forge_size(data: bytearray, name: str, width: int, height: int) -> None:
    """Write another size into a header."""
    if name == "JPEG":
        struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, height, width)
    elif name == "PNG":
        struct.pack_into(">II", data, 16, width, height)
        struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    elif name == "GIF":
        struct.pack_into("<HH", data, 6, width, height)
    elif name == "BMP":
        struct.pack_into("<ii", data, 18, width, height)
    else:
        struct.pack_into("<HH", data, data.index(b"\x9d\x01\x2a") + 3, width, height)


@pytest.mark.parametrize("size", [(1, 100_000), (100_000, 1), (79, 200), (100, 2100), (20, 20)])
def test_stripes_and_tiny_pictures_are_refused(size: tuple[int, int]) -> None:
    assert code_of(saved(Image.new("L", size), "PNG")) == "bad_dimensions"


def test_limits_can_be_set() -> None:
    assert code_of(PNG, max_pixels=19_199) == "too_many_pixels"
    assert code_of(PNG, min_side=121) == "bad_dimensions"
    assert images.decode(PNG, max_pixels=19_200, min_side=120).info.width == 160


@pytest.mark.parametrize("kind", ["baseline", "progressive", "cmyk"])
@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=60, deadline=None)
def test_a_truncated_jpeg_never_gives_a_picture(kind: str, share: float) -> None:
    data = {"baseline": JPEG, "progressive": PROGRESSIVE, "cmyk": CMYK}[kind]
    cut = data[: max(3, int(len(data) * share))]
    assert code_of(cut) == "undecodable"


@pytest.mark.parametrize("name", ["PNG", "GIF", "BMP", "WEBP"])
@given(share=st.floats(0, 0.97))
@settings(max_examples=30, deadline=None)
def test_other_truncated_files_never_give_a_picture(name: str, share: float) -> None:
    data = saved(scene(), name)
    assert code_of(data[: int(len(data) * share)]) in {
        "undecodable", "empty_file", "unsupported_format",
    }  # fmt: skip


def test_a_corrupt_huffman_table_is_refused() -> None:
    counts = JPEG.index(b"\xff\xc4") + 5
    assert code_of(JPEG[:counts] + b"\xff" * 16 + JPEG[counts + 16 :]) == "undecodable"
    values = counts + 16
    wrong = bytes(255 - value for value in JPEG[values : values + 8])
    assert code_of(JPEG[:values] + wrong + JPEG[values + 8 :]) == "undecodable"


def test_a_hole_in_the_data_is_refused() -> None:
    middle = len(JPEG) * 2 // 3
    assert code_of(JPEG[:middle] + JPEG[middle + 200 :]) == "undecodable"


def test_a_jpeg_with_thousands_of_scans_is_refused() -> None:
    scan = PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2]
    assert code_of(PROGRESSIVE[:-2] + scan * 200 + b"\xff\xd9") == "undecodable"


def test_a_png_text_bomb_is_refused() -> None:
    bomb = b"Comment\0\0" + zlib.compress(bytes(200_000_000))
    before = PNG.index(b"IDAT") - 4
    assert code_of(PNG[:before] + png_chunk(b"zTXt", bomb) + PNG[before:]) == "undecodable"


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_random_bytes_behind_a_real_signature_are_refused_politely(junk: bytes) -> None:
    for signature in (JPEG[:200], PNG[:40], b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"BM"):
        with pytest.raises(ImageError):
            images.decode(signature + junk)


# What is decoded


@pytest.mark.parametrize(
    ("name", "media_type", "extension"),
    [
        ("JPEG", "image/jpeg", ".jpg"),
        ("PNG", "image/png", ".png"),
        ("GIF", "image/gif", ".gif"),
        ("BMP", "image/bmp", ".bmp"),
        ("WEBP", "image/webp", ".webp"),
        pytest.param(
            "AVIF", "image/avif", ".avif",
            marks=pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF"),
        ),
    ],
)  # fmt: skip
def test_allowed_formats(name: str, media_type: str, extension: str) -> None:
    data = saved(scene(), name)
    info = images.decode(data).info
    assert info == images.inspect(data)
    assert (info.format, info.media_type, info.extension) == (name, media_type, extension)
    assert (info.width, info.height, info.orientation, info.frames) == (160, 120, 1, 1)
    assert close(data, scene(), tolerance=6)


def test_polyglots_are_decoded_as_what_they_begin_with() -> None:
    assert close(JPEG + b"PK\3\4" + b"zip" * 50, scene())
    assert images.inspect(saved(scene(), "GIF") + b"*/alert(1)//").format == "GIF"


def test_an_mpo_is_a_jpeg() -> None:
    data = saved(scene(), "MPO", save_all=True, append_images=[scene()])
    assert images.decode(data).info.format == "JPEG"
    assert close(data, scene(), tolerance=3)


def test_harmless_oddities_of_a_jpeg_are_forgiven() -> None:
    table = JPEG.index(b"\xff\xdb")
    between_segments = JPEG[:table] + b"\0\1\2\3" + JPEG[table:]
    padded = JPEG[:-2] + bytes(12) + JPEG[-2:]
    fill = JPEG[:table] + b"\xff\xff" + JPEG[table:]
    revision = JPEG.index(b"JFIF\0") + 5
    new_revision = JPEG[:revision] + b"\x09" + JPEG[revision + 1 :]
    for data in (between_segments, padded, fill, new_revision):
        assert np.array_equal(pixels_of(data), pixels_of(JPEG))


def test_padding_hides_no_damage() -> None:
    padded = JPEG[:-2] + bytes(12) + JPEG[-2:]
    values = padded.index(b"\xff\xc4") + 21
    wrong = bytes(255 - value for value in padded[values : values + 8])
    assert code_of(padded[:values] + wrong + padded[values + 8 :]) == "undecodable"


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpegs_in_grey_and_cmyk(mode: str) -> None:
    assert close(saved(scene().convert(mode), "JPEG", quality=97), scene().convert(mode))


def test_cmyk_without_adobes_segment_is_not_inverted() -> None:
    inks = Image.merge("CMYK", [Image.new("L", (96, 96), v) for v in (255, 0, 0, 0)])
    data = saved(inks, "JPEG", quality=100)
    segment = data.index(b"\xff\xee")
    plain = data[:segment] + data[segment + 16 :]
    # Pillow wrote the inks inverted, as Adobe does: no ink became 255.
    assert pixels_of(data)[50, 50] == pytest.approx([0, 255, 255], abs=3)
    assert pixels_of(plain)[50, 50] == pytest.approx([0, 0, 0], abs=3)


def test_sixteen_bit_png() -> None:
    ramp = np.linspace(0, 65535, 128).astype(">u2")
    grey = png(128, 128, (b"\0" + ramp.tobytes()) * 128, depth=16, colour=0)
    colour = png(128, 128, (b"\0" + ramp.repeat(3).tobytes()) * 128, depth=16)
    expected = np.linspace(0, 255, 128)
    for data in (grey, colour):
        assert pixels_of(data)[64].mean(axis=1) == pytest.approx(expected, abs=1.5)


def test_transparency_is_laid_on_white() -> None:
    layer = Image.new("RGBA", (100, 100), (10, 20, 30, 0))
    palette = Image.new("P", (100, 100), 3)
    palette.putpalette(range(12))
    assert (pixels_of(saved(layer, "PNG")) == 255).all()
    assert (pixels_of(saved(layer, "WEBP", lossless=True)) == 255).all()
    assert (pixels_of(saved(palette, "PNG", transparency=3)) == 255).all()
    assert (pixels_of(saved(palette, "PNG", transparency=b"\xff\xff\xff\0")) == 255).all()
    assert (pixels_of(saved(layer.convert("LA"), "PNG")) == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_modes_of_png(mode: str) -> None:
    picture = scene().convert(mode)
    assert close(saved(picture, "PNG"), picture)


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame_and_says_so(name: str) -> None:
    second = Image.new("RGB", scene().size, "black")
    data = saved(scene(), name, save_all=True, append_images=[second, scene()])
    assert images.inspect(data).frames == 3
    assert close(data, scene(), tolerance=6)


# Orientation and scale


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(name: str, orientation: int) -> None:
    exif = exif_block(orientation)
    data = saved(scene(), name, exif=exif)
    tagged = Image.open(io.BytesIO(data))
    upright = ImageOps.exif_transpose(tagged)
    info = images.inspect(data)
    assert info.orientation == orientation
    assert (info.width, info.height) == upright.size
    assert close(data, upright, tolerance=0.5)


@pytest.mark.parametrize(
    "exif",
    [b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0II*\0\xff\xff\xff\xff",
     b"Exif\0\0MM\0*" + b"\xff" * 30,
     b"Exif\0\0nonsense", exif_block(9), exif_block(0)],
)  # fmt: skip
def test_malformed_exif_is_ignored(exif: bytes) -> None:
    data = saved(scene(), "JPEG", exif=exif)
    assert images.decode(data).info.orientation == 1


@given(st.binary(max_size=80))
def test_any_exif_block_gives_an_orientation(block: bytes) -> None:
    data = (
        JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block + JPEG[2:]
    )
    assert 1 <= images.inspect(data).orientation <= 8


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(1000, 700), (700, 1000)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_max_side_reduces(name: str, size: tuple[int, int], orientation: int) -> None:
    picture = scene(*size)
    decoded = images.decode(saved(picture, name, exif=exif_block(orientation)), max_side=300)
    upright = decoded.info.width, decoded.info.height
    assert max(decoded.pixels.shape) == 300
    assert decoded.scale == pytest.approx(0.3)
    assert upright == (size if orientation == 1 else size[::-1])
    expected = np.asarray(
        picture.resize((size[0] * 3 // 10, size[1] * 3 // 10), Image.Resampling.BOX)
    )
    turned = expected if orientation == 1 else np.rot90(expected, -1)
    assert np.abs(decoded.pixels.astype(int) - turned).mean() < 2


def test_max_side_never_enlarges() -> None:
    decoded = images.decode(JPEG, max_side=5000)
    assert decoded.scale == 1
    assert decoded.pixels.shape == (120, 160, 3)


# Writing


def test_encoded_jpegs_carry_no_metadata() -> None:
    again = images.encode_jpeg(images.decode(saved(scene(), "JPEG", exif=exif_block(6))).pixels)
    assert b"Exif" not in again
    assert images.inspect(again).orientation == 1


def test_crop_has_a_margin_and_is_clipped() -> None:
    pixels = images.decode(PNG).pixels
    assert images.crop(pixels, Box(40, 40, 40, 20)).shape == (30, 60, 3)
    assert images.crop(pixels, Box(-10, -10, 40, 40), margin=0).shape == (30, 30, 3)
    assert np.array_equal(images.crop(pixels, Box(5, 6, 2, 3), margin=0), pixels[6:9, 5:7])
    with pytest.raises(ValueError, match="outside"):
        images.crop(pixels, Box(500, 500, 10, 10))


# The module itself


def test_threads_decode_alike() -> None:
    files = [JPEG, PROGRESSIVE, PNG, saved(scene(), "WEBP"), saved(scene(), "GIF")] * 10
    alone = [images.decode(data).pixels for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: images.decode(data).pixels, files))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_importing_images_brings_no_torch() -> None:
    program = (
        "import sys, os, embedder, embedder.types, embedder.errors, embedder.images\n"
        "assert 'torch' not in sys.modules\n"
        "assert os.environ['OPENCV_IO_MAX_IMAGE_PIXELS'] == '50000000'\n"
        "import cv2; assert cv2.getNumThreads() == 1"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
