"""The models that galleries can have: those of the embedder's catalogue, as installed here.

A model's name stands for one kind of template, for good: `KnownModel` keeps what it was made of
when it was first loaded, so that a changed file or manifest behind an old name is found out.
"""

from pathlib import Path
from typing import Any

from django.conf import settings

from common.errors import Unprocessable
from embedder.catalogue import Catalogue, Model
from embedder.errors import EmbedderError, NotInstalledError, UnknownModelError

from .models import DEFAULT_MODEL, Gallery, KnownModel


class UnknownModel(Unprocessable):
    """No model of this name is installed; the member `models` lists those that are."""

    code = "unknown_model"


class UnusableModel(Unprocessable):
    """The model is installed, but can't be loaded; the sentence says why."""

    code = "unusable_model"


class ModelChanged(UnusableModel):
    """The name was another model's before."""

    code = "model_changed"


def catalogue() -> Catalogue:
    """What there is at this moment."""
    return Catalogue(Path(settings.MODELS_DIR))


def default_model() -> str:
    """The model of new galleries that name none."""
    chosen = KnownModel.objects.filter(for_new_galleries=True).first()
    return chosen.name if chosen else DEFAULT_MODEL


def models_in_use() -> list[str]:
    """Those of galleries, and that of new ones."""
    used = Gallery.objects.order_by().values_list("model", flat=True).distinct()
    return sorted({*used, default_model()})


def installed_model(name: str) -> Model:
    """The model, whose files are all there.

    Raises:
        UnknownModel: there is none of this name, or it isn't installed.
    """
    found = catalogue()
    try:
        model = found.model(name)
        found.locate(model.detector)
        found.locate(model.network)
    except (UnknownModelError, NotInstalledError) as error:
        raise UnknownModel(str(error), models=found.models()) from error
    return model


def usable_model(name: str) -> Model:
    """The model, which is installed and loads.

    Raises:
        UnknownModel: there is none of this name, or it isn't installed.
        UnusableModel: it can't be loaded (a damaged file, another dimension).
    """
    model = installed_model(name)
    try:
        # As many threads as a web server's pipeline has, which is this one then.
        catalogue().load_pipeline(name, threads=settings.TORCH_THREADS or 1)
    except EmbedderError as error:
        raise UnusableModel(f"The model {name!r} can't be used. {error}") from error
    return model


def described_models() -> list[dict[str, Any]]:
    """All pairs of a detector and a network, the default first, then those installed."""
    found, default = catalogue(), default_model()
    installed = set(found.models())
    described = [
        {
            "name": model.name,
            "title": f"{model.detector.title}; {model.network.title}",
            "licence": f"{model.detector.licence}; {model.network.licence}",
            "dimension": model.network.dimension,
            "installed": model.name in installed,
            "default": model.name == default,
            "measured": model.network.figures(model.detector.name),
        }
        for model in found.pairs()
    ]
    return sorted(described, key=lambda each: (not each["default"], not each["installed"]))


def note_model(model: Model) -> KnownModel:
    """Keep what this model is made of, whoever loads it first.

    Raises:
        ModelChanged: something else had its name before.
    """
    known, _ = KnownModel.objects.get_or_create(
        name=model.name, defaults={"fingerprint": model.fingerprint}
    )
    if known.fingerprint != model.fingerprint:
        raise ModelChanged(changed(model.name))
    return known


def is_changed(model: Model) -> bool:
    """Whether something else had its name before."""
    known = KnownModel.objects.filter(name=model.name).first()
    return known is not None and known.fingerprint != model.fingerprint


def changed(name: str) -> str:
    """A sentence about a model that isn't what it was."""
    return (
        f"The model {name!r} is not the one that had this name here before: a file, the mirroring "
        "or the input in a manifest changed, and templates of the two must not be compared. Bring "
        "back what it was, and give the new one another name."
    )
