"""What can go wrong between a photo's bytes and its templates."""


class EmbedderError(Exception):
    """Base of every error this package raises on purpose."""


class ImageError(EmbedderError):
    """The bytes can't be used as a photo.

    `code` is stable, for programs: `empty_file`, `unsupported_format`, `too_many_pixels`,
    `bad_dimensions` or `undecodable`. `message` is a sentence for people that says what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class WeightsError(EmbedderError):
    """A weights file is missing or damaged, or isn't the one whose SHA-256 is pinned."""


class DimensionError(EmbedderError):
    """A network whose templates don't have the dimension that everything else expects."""


class TemplateError(EmbedderError):
    """A network gave a template with NaN or infinity in it."""


class PixelsError(EmbedderError):
    """Pictures, or a smallest face, that no detector can work with."""


class MissingExtraError(EmbedderError):
    """Something optional was asked for whose package isn't installed."""


class FacesError(EmbedderError):
    """Faces to embed that don't go with their pictures, or whose landmarks can't be aligned."""


class CropsError(EmbedderError):
    """Crops that a network can't take: another type, shape or size."""


class ManifestError(EmbedderError):
    """A model's manifest can't be used; the message names the file, the field and the remedy."""


class UnknownModelError(EmbedderError):
    """The catalogue has no detector, network or model of this name."""


class NotInstalledError(EmbedderError):
    """The catalogue knows it, but a file or a package of it is missing or another one."""


class DownloadError(EmbedderError):
    """A model's file could not be fetched; nothing wrong is left behind."""


class EvaluationError(EmbedderError):
    """An evaluation can't be made of what was given: a folder, a list of pairs, an option."""


class PairsError(EvaluationError):
    """A list of pairs doesn't follow LFW's format, or names a photo that isn't there."""


class EvaluationInterruptedError(EvaluationError):
    """The user stopped an evaluation; the message says how far it was."""


class TrainingError(EmbedderError):
    """A training can't be done with what was given: an option, a folder, a checkpoint."""


class DivergedError(TrainingError):
    """The loss is no number any more; the message says at which step."""


class TrainingStoppedError(TrainingError):
    """The user stopped a training; the message says how far it was."""


class TooFewPeopleError(EmbedderError):
    """There are too few people with several photos to calibrate with."""
