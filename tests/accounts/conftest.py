from tests.fixtures import (  # noqa: F401
    admin_api,
    client_of,
    committed,
    gallery,
    indexed,
    media,
    operator,
    person,
    site_admin,
)
