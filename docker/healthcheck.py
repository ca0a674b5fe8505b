"""Exit code 0 while the process of this container does its work, else 1 with the reason.

    python docker/healthcheck.py web|photos|index|maintenance|imports|beat

Without Django, since it runs twice a minute in every container.
"""

import os
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

SECONDS = 5
# A worker signs its row every ten seconds; beat writes its file every three minutes.
FRESH_ROW, FRESH_FILE = 35, 400


def web() -> None:
    """Ask the server as the proxy in front of it would."""
    port = os.environ.get("LIKENESS_PORT") or "8000"
    host = urlsplit(os.environ.get("PUBLIC_URL", "")).hostname or "127.0.0.1"
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/readyz", headers={"Host": host, "X-Forwarded-Proto": "https"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(request, timeout=SECONDS).close()
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code}: {error.read(500).decode(errors='replace')}")
    except OSError as error:
        sys.exit(str(error))


def worker(name: str) -> None:
    """Look when it signed last."""
    import psycopg  # noqa: PLC0415 - the others need none

    full = f"{name}@{socket.gethostname()}"
    question = (
        "SELECT extract(epoch FROM now() - seen_at) FROM operations_workerheartbeat WHERE name = %s"
    )
    try:
        with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=SECONDS) as link:
            row = link.execute(question, [full]).fetchone()
    except psycopg.Error as error:
        sys.exit(f"{full}: the database does not answer: {error}")
    if row is None or row[0] > FRESH_ROW:
        sys.exit(f"{full} has not signed for {FRESH_ROW} s")


def beat() -> None:
    """Look when it wrote its file last."""
    folder = Path(os.environ.get("LIKENESS_VAR_DIR", "/data"))
    ages = [time.time() - path.stat().st_mtime for path in folder.glob("beat-schedule*")]
    if not ages or min(ages) > FRESH_FILE:
        sys.exit(f"beat has not written its schedule for {FRESH_FILE} s")


def main() -> None:
    """Check the process named on the command line."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name == "web":
        web()
    elif name == "beat":
        beat()
    elif name in {"photos", "index", "maintenance", "imports"}:
        worker(name)
    else:
        sys.exit("usage: healthcheck.py web|photos|index|maintenance|imports|beat")


if __name__ == "__main__":
    main()
