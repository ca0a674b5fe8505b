"""The catalogue: the manifests of this package, the user's own, and the models they pair up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from embedder.calibration import Calibration
from embedder.catalogue import files, loading
from embedder.catalogue.manifest import DETECTION, EMBEDDING, Manifest, read
from embedder.detectors.base import Detector
from embedder.errors import EmbedderError, ManifestError, NotInstalledError, UnknownModelError
from embedder.networks.base import Network
from embedder.pipeline import Pipeline

PACKAGED = Path(__file__).parent / "manifests"


@dataclass(frozen=True, slots=True)
class Broken:
    """A manifest of the user's that can't be used, and why."""

    origin: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Model:
    """A detector and a network: what a gallery uses, and what templates are stored under."""

    detector: Manifest
    network: Manifest

    @property
    def name(self) -> str:
        """`DETECTOR-NETWORK`."""
        return f"{self.detector.name}-{self.network.name}"

    @property
    def fingerprint(self) -> str:
        """A SHA-256 that changes with whatever changes the templates."""
        both = self.detector.fingerprint + self.network.fingerprint
        return sha256(both.encode()).hexdigest()

    @property
    def calibration(self) -> Calibration | None:
        """The one that the network's manifest carries for this detector."""
        return dict(self.network.calibrations).get(self.detector.name)


class Catalogue:
    """What there is at the moment it is made; cheap, so make another to look again."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` holds the user's manifests and all fetched files; it need not exist.

        Without it: LIKENESS_MODELS_DIR, or models/ beside the data. A manifest there that can't
        be used is listed in `broken`; the others work.
        """
        self.folder = files.default_folder() if folder is None else folder
        self.manifests: dict[str, Manifest] = {}
        self.broken: list[Broken] = []
        for path in sorted(PACKAGED.glob("*.toml")):
            manifest = read(path)
            self.manifests[manifest.name] = manifest
        for path in sorted(self.folder.glob("*.toml")):
            try:
                self._add(read(path))
            except ManifestError as error:
                self.broken.append(Broken(path, str(error)))

    def _add(self, manifest: Manifest) -> None:
        known = self.manifests.get(manifest.name)
        packaged = known is not None and known.origin.parent == PACKAGED
        if packaged != manifest.replaces or (known is not None and not packaged):
            raise ManifestError(_clash(manifest, known))
        self.manifests[manifest.name] = manifest

    def manifest(self, name: str, task: str = "") -> Manifest:
        """The detector or network of this name. Raises UnknownModelError listing what there is."""
        found = self.manifests.get(name)
        if found is not None and task in {"", found.task}:
            return found
        kind = {DETECTION: "detector", EMBEDDING: "network"}.get(task, "detector or network")
        known = sorted(each.name for each in self.manifests.values() if task in {"", each.task})
        raise UnknownModelError(
            f"There is no {kind} {name!r}. There are: {', '.join(known)}.{self._hint(name)}"
        )

    def _hint(self, name: str) -> str:
        """Why a manifest of about that name isn't there."""
        for each in self.broken:
            if each.origin.stem in name:
                return f" A manifest can't be used: {each.reason}"
        return ""

    def model(self, name: str) -> Model:
        """The pair called `DETECTOR-NETWORK`. Raises UnknownModelError listing what is installed.

        A detector's name has no hyphen, so the first one ends it.
        """
        detector, _, network = name.partition("-")
        try:
            model = Model(self.manifest(detector, DETECTION), self.manifest(network, EMBEDDING))
        except UnknownModelError as error:
            raise UnknownModelError(
                f"There is no model {name!r}. Installed are: {', '.join(self.models())}."
                f"{self._hint(name)}"
            ) from error
        if not model.network.goes_with(detector):
            raise UnknownModelError(
                f"There is no model {name!r}: {network} goes with one detector alone. Use "
                f"{model.network.detector}-{network}."
            )
        return model

    def locate(self, manifest: Manifest) -> tuple[Path, ...]:
        """Its files, all checked. Raises NotInstalledError with the remedy."""
        return files.locate(manifest, self.folder)

    def is_begun(self, manifest: Manifest) -> bool:
        """Whether it, or a part of it, is installed."""
        return files.is_begun(manifest, self.folder)

    def missing(self, manifest: Manifest) -> str:
        """Why it isn't installed, and the remedy; empty if it is."""
        try:
            self.locate(manifest)
        except NotInstalledError as error:
            return str(error)
        return ""

    def installed(self, task: str) -> list[Manifest]:
        """The detectors or networks whose files are all there, by name."""
        ours = [each for each in self.manifests.values() if each.task == task]
        return sorted((m for m in ours if not self.missing(m)), key=lambda each: each.name)

    def models(self) -> list[str]:
        """The names of all pairs that are installed."""
        found = _paired(self.installed(DETECTION), self.installed(EMBEDDING))
        return [model.name for model in found]

    def pairs(self) -> list[Model]:
        """All pairs, installed or not, by name."""
        known = [self.manifests[name] for name in sorted(self.manifests)]
        detectors = [each for each in known if each.task == DETECTION]
        networks = [each for each in known if each.task == EMBEDDING]
        return _paired(detectors, networks)

    def load_detector(self, name: str, *, threads: int | None = None) -> Detector:
        """The detector, loaded once a process.

        Raises UnknownModelError, NotInstalledError, WeightsError.
        """
        manifest = self.manifest(name, DETECTION)
        return loading.detector(manifest, self.locate(manifest), threads)

    def load_network(self, name: str, *, threads: int | None = None) -> Network:
        """The network, loaded once a process.

        Raises UnknownModelError, NotInstalledError, WeightsError, DimensionError, TemplateError.
        """
        manifest = self.manifest(name, EMBEDDING)
        return loading.network(manifest, self.locate(manifest), threads)

    def load_pipeline(self, name: str, *, threads: int | None = None) -> Pipeline:
        """The pipeline of a model; models share their detector and network.

        `threads` are those of one computation, in the whole process: the first call's count.
        Raises as `load_detector` and `load_network` do.
        """
        model = self.model(name)
        return Pipeline(
            self.load_detector(model.detector.name, threads=threads),
            self.load_network(model.network.name, threads=threads),
        )

    def problem(self, name: str) -> str:
        """Why this detector or network can't be used, found out by loading it; empty if it can."""
        manifest = self.manifest(name)
        load = self.load_detector if manifest.task == DETECTION else self.load_network
        try:
            load(name)
        except EmbedderError as error:
            return str(error)
        return ""


def _paired(detectors: Sequence[Manifest], networks: Sequence[Manifest]) -> list[Model]:
    return [
        Model(one, other) for one in detectors for other in networks if other.goes_with(one.name)
    ]


def _clash(manifest: Manifest, known: Manifest | None) -> str:
    where = manifest.origin.name
    if known is None:
        return (
            f"{where}: replaces is true, but nothing else is called {manifest.name!r}. Remove it."
        )
    if known.origin.parent == PACKAGED:
        return (
            f"{where}: name {manifest.name!r} is that of a model of Likeness itself. Use another, "
            "or say replaces = true if this one is meant to stand in its place."
        )
    return f"{where}: name {manifest.name!r} is taken by {known.origin.name}. Use another."
