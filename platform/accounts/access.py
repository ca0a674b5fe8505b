"""What is open to site administrators alone; `people.access` decides the rest."""

from common.errors import Forbidden

from .actors import Actor


def require_site_admin(actor: Actor) -> None:
    """Raise Forbidden unless the actor is a site administrator."""
    if not actor.is_site_admin:
        raise Forbidden("This needs a site administrator.", code="role_needed")
