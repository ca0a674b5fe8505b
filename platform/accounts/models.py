"""Those who act: users who sign in and machines with an API key.

What they may do in a gallery is their `people.Membership` in it; here stands only who they are.
"""

from django.contrib.auth.models import AbstractUser
from django.db import models
from rest_framework_api_key.models import AbstractAPIKey

from common.ids import new_id


class User(AbstractUser):
    """A person who signs in. A superuser is a site administrator, with access to everything."""

    public_id = models.UUIDField(default=new_id, unique=True, editable=False)


class ApiKey(AbstractAPIKey):
    """A machine's key, stored as a hash and shown once. It belongs to one gallery."""

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    @property
    def is_authenticated(self) -> bool:
        """True: REST framework asks this of whoever makes a request."""
        return True

    @property
    def is_active(self) -> bool:
        """False once revoked."""
        return not self.revoked
