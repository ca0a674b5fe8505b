"""The form for a new import: of an archive that is sent with it, or of a folder of the server."""

from __future__ import annotations

from tempfile import TemporaryFile
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from common.uploads import UploadTooLarge
from imports.places import uploads_folder
from people.models import Gallery, SeveralFaces

# What a browser sends in one go, without a way to continue after a broken connection.
MOST_MEGABYTES = 200
_LAYOUTS = (
    ("folders", "Folders: a folder for each person, called as their external id"),
    ("names", "File names: what stands before the separator is the external id"),
    ("manifest", "A table: its columns file and external_id say it"),
)


class ArchiveUploadHandler(FileUploadHandler):
    """Keeps what is sent on the disk of imports, without a name: nothing is left by a crash."""

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._total = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin the next file of the form."""
        super().new_file(*args, **kwargs)
        uploads_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file = TemporaryFile(dir=uploads_folder())  # noqa: SIM115 - the form closes it

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Take a chunk, or refuse the request."""
        self._total += len(raw_data)
        if self._total > MOST_MEGABYTES * 1024 * 1024:
            self.file.close()
            raise UploadTooLarge(
                f"Here an import has at most {MOST_MEGABYTES} MB. Send a larger one over the API, "
                "or import it on the server: manage.py import_photos."
            )
        self.file.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile:
        """The file, from its beginning."""
        self.file.seek(0)
        return UploadedFile(self.file, self.file_name, self.content_type, file_size)


class OneFileInput(forms.FileInput):
    """Chooses a file, whose name Unfold's script must not write into the field that comes next."""

    template_name = "likeness/photos_input.html"


class ImportForm(forms.Form):
    """A new import."""

    gallery = forms.ModelChoiceField(
        Gallery.objects.order_by("name"), widget=UnfoldAdminSelectWidget
    )
    archive = forms.FileField(
        required=False,
        widget=OneFileInput({"class": "lk-drop", "accept": ".zip,.tar,.tgz,.gz,.bz2,.xz"}),
        help_text=f"ZIP or TAR, up to {MOST_MEGABYTES} MB. Larger ones: over the API, or "
        "manage.py import_photos on the server.",
    )
    folder = forms.CharField(
        label="Or a folder of the server", required=False, max_length=1000,
        widget=UnfoldAdminTextInputWidget,
    )  # fmt: skip
    layout = forms.ChoiceField(
        label="Who is on which photo", choices=_LAYOUTS, widget=UnfoldAdminSelectWidget
    )
    separator = forms.CharField(
        initial="_", max_length=5, required=False, widget=UnfoldAdminTextInputWidget,
        help_text="With file names: 17_front.jpg shows 17.",
    )  # fmt: skip
    manifest = forms.FileField(
        label="Table", required=False,
        widget=OneFileInput({"class": "lk-drop", "accept": ".csv,.tsv,.xlsx"}),
        help_text="CSV or XLSX, unless it is in the archive or folder.",
    )  # fmt: skip
    several_faces = forms.ChoiceField(
        label="If one shows several faces",
        choices=[("", "As the gallery says"), *SeveralFaces.choices],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roots = ", ".join(map(str, settings.IMPORT_ROOTS))
        self.fields["folder"].help_text = f"Under {roots}."
        if not roots:
            del self.fields["folder"]

    def clean(self) -> dict[str, Any] | None:
        """One source; a table only where one is asked for."""
        given = super().clean()
        data = self.cleaned_data
        if bool(data.get("archive")) == bool(data.get("folder")) and "archive" not in self.errors:
            self.add_error("archive", "Choose an archive, or name a folder: one of both.")
        if data.get("manifest") and data.get("layout") != "manifest":
            self.add_error("manifest", "To use it choose that a table says who is on which photo.")
        return given

    @property
    def source(self) -> dict[str, Any]:
        """As a job has it."""
        folder = self.cleaned_data.get("folder")
        return {"kind": "folder", "path": folder} if folder else {"kind": "archive"}

    @property
    def layout_asked(self) -> dict[str, Any]:
        """As a job has it."""
        data = self.cleaned_data
        extra = {"names": {"separator": data["separator"] or "_"}}.get(data["layout"], {})
        sent = {"manifest": "sent"} if data.get("manifest") else {}
        return {"kind": data["layout"], **extra, **sent}
