"""The subcommands of `manage.py vectors`: each module has `HELP`, `add_arguments` and `run`."""
