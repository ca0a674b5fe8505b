"""Weights files inside installed packages, found without importing those packages.

Importing them would drag in TensorFlow (`mtcnn`) or need `pkg_resources`
(`face_recognition_models`); all we need is where their files lie.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from embedder.errors import WeightsError


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file that package `package` installs at `path`, and the SHA-256 it must have."""

    package: str
    path: str
    sha256: str


DLIB_RESNET = WeightsFile(
    "face_recognition_models",
    "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
)
DLIB_FIVE_POINTS = WeightsFile(
    "face_recognition_models",
    "face_recognition_models/models/shape_predictor_5_face_landmarks.dat",
    "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
)
HAAR_CASCADE = WeightsFile(
    "opencv-python-headless",
    "cv2/data/haarcascade_frontalface_alt2.xml",
    "7b0c967d9abbdfbde025eb9c786947d151b6426040d07a8f9562ed8fd90724b4",
)
MTCNN_PNET = WeightsFile(
    "mtcnn",
    "mtcnn/assets/weights/pnet.lz4",
    "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
)
MTCNN_RNET = WeightsFile(
    "mtcnn",
    "mtcnn/assets/weights/rnet.lz4",
    "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
)
MTCNN_ONET = WeightsFile(
    "mtcnn",
    "mtcnn/assets/weights/onet.lz4",
    "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
)


def path_of(file: WeightsFile) -> Path:
    """Where the file lies, if it is there. Raises WeightsError when its package isn't."""
    try:
        return Path(str(distribution(file.package).locate_file(file.path)))
    except PackageNotFoundError as error:
        raise WeightsError(
            f"The package {file.package} is not installed. {_remedy(file)}"
        ) from error


def locate(file: WeightsFile) -> Path:
    """Where the file lies, after checking that it is the one we know.

    Raises WeightsError naming the package and what to do.
    """
    path = path_of(file)
    if not path.is_file():
        raise WeightsError(f"{file.path} of the package {file.package} is missing. {_remedy(file)}")
    check_sha256(path, file.sha256, _remedy(file))
    return path


def _remedy(file: WeightsFile) -> str:
    return f"Reinstall it: pip install --force-reinstall {file.package}"


def check_sha256(path: Path, expected: str, remedy: str) -> None:
    """Raise WeightsError, ending with `remedy`, unless the file has the expected SHA-256.

    A file is read once a process, and again only when it has changed.
    """
    found = path.stat()
    actual = _sha256(path, found.st_size, found.st_mtime_ns)
    if actual != expected:
        raise WeightsError(
            f"{path.name} has SHA-256 {actual}, expected {expected}: it is damaged or another "
            f"version. {remedy}"
        )


@lru_cache(maxsize=256)
def _sha256(path: Path, _size: int, _modified: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
