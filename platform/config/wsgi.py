"""The web server's entry: `gunicorn config.wsgi:application`."""

import os
from threading import Thread

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
_django = get_wsgi_application()

from common.bodies import GuardedBodies  # noqa: E402 - the apps exist only from here on

application = GuardedBodies(_django)


def _warm_up() -> None:
    """Get everything ready beside the first requests, so that the first lookup is no slower."""
    from django.db import connections  # noqa: PLC0415 - the apps exist only from here on

    from identification.services import warm_up  # noqa: PLC0415
    from photos.pipeline import answer_many  # noqa: PLC0415

    def load() -> None:
        warm_up()
        connections.close_all()

    answer_many()
    Thread(target=load, name="warm-up", daemon=True).start()


_warm_up()
