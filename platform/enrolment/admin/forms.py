"""The forms of people: who they are, and photos, many at once."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from rest_framework.exceptions import ValidationError as RestValidationError
from unfold.widgets import UnfoldAdminSelectWidget

from common.api import MetadataField
from enrolment.models import REASON_LENGTH
from people.models import Person, SeveralFaces
from reviews.models import NOTE_LENGTH, Verdict


class PhotosInput(forms.FileInput):
    """Chooses several files. `has_button`: with a button beside it that sends them."""

    template_name = "likeness/photos_input.html"
    allow_multiple_selected = True
    has_button = False

    def __init__(self) -> None:
        super().__init__({"accept": "image/*", "class": "lk-drop"})

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """With the button."""
        return {**super().get_context(name, value, attrs), "has_button": self.has_button}


class PhotosField(forms.FileField):
    """Several files. What is wrong with one is found out when it is received."""

    widget = PhotosInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        """The files chosen."""
        return [each for each in data or [] if each]


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]
    """Who somebody is, and photos of them."""

    photos = PhotosField(
        required=False,
        help_text="JPEG, PNG, WebP, GIF, BMP or AVIF; choose as many as you like.",
    )
    several_faces = forms.ChoiceField(
        label="If one shows several faces",
        choices=[("", "As the gallery says"), *SeveralFaces.choices],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = Person
        fields = ("gallery", "name", "external_id", "notes", "metadata")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["photos"].widget.has_button = self.instance.pk is not None

    def clean_metadata(self) -> dict[str, Any]:
        """What the API would take."""
        try:
            given = self.cleaned_data["metadata"]
            found: dict[str, Any] = MetadataField().to_internal_value(
                {} if given is None else given
            )
        except RestValidationError as error:
            raise forms.ValidationError([str(each) for each in error.args]) from error
        return found

    def clean(self) -> dict[str, Any] | None:
        """The external id, if any, is nobody else's in the gallery."""
        given = super().clean()
        gallery = self.cleaned_data.get("gallery") or getattr(self.instance, "gallery", None)
        external_id = self.cleaned_data.get("external_id")
        others = Person.objects.filter(gallery=gallery, external_id=external_id)
        if external_id and gallery and others.exclude(pk=self.instance.pk).exists():
            self.add_error("external_id", "Another person of this gallery has it.")
        return given


class DecisionForm(forms.Form):
    """What a reviewer says: whom it shows (`same`), or that it is none of them or can't be told."""

    same = forms.UUIDField(required=False)
    verdict = forms.ChoiceField(
        required=False,
        choices=[each for each in Verdict.choices if each[0] != Verdict.SAME],
    )
    note = forms.CharField(required=False, max_length=NOTE_LENGTH)

    def clean(self) -> dict[str, Any] | None:
        """One of both."""
        given = super().clean()
        said = (self.cleaned_data.get("same"), self.cleaned_data.get("verdict"))
        if not self.errors and bool(said[0]) == bool(said[1]):
            raise forms.ValidationError("Say whether it is the same person.")
        return given


class SplitForm(forms.Form):
    """Who the person on some photos is."""

    name = forms.CharField(max_length=300)
    external_id = forms.CharField(max_length=200, required=False)
    reason = forms.CharField(max_length=REASON_LENGTH, required=False)
