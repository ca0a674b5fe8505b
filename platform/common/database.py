"""Is the database there, and has it our tables? For commands, which say so in a sentence."""

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor


def prepare_database(command: BaseCommand) -> None:
    """Apply the migrations that are missing, and say so.

    Raises:
        CommandError: the database does not answer.
    """
    missing = _missing_migrations()
    if missing:
        command.stdout.write(f"Database: applying {missing} migrations ...")
        command.stdout.flush()
        call_command("migrate", verbosity=0, interactive=False)


def require_database() -> None:
    """Raise CommandError unless the database answers and has every migration."""
    missing = _missing_migrations()
    if missing:
        raise CommandError(
            f"The database lacks {missing} migrations. Start Likeness once with `make run`, or run "
            "`manage.py migrate`."
        )


def require_answering_database() -> None:
    """Raise CommandError unless the database answers."""
    _missing_migrations()


def _missing_migrations() -> int:
    try:
        executor = MigrationExecutor(connection)
        return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except OperationalError as error:
        raise CommandError(
            f"The database does not answer: {str(error).strip()}\n"
            "Start it, or correct DATABASE_URL."
        ) from error
