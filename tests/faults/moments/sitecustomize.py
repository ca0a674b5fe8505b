"""Kills a process of an installation at a named moment; Python imports this at its start.

LIKENESS_MOMENTS is a list in JSON: which function (`module`, `name`), whether to die `before` or
`after` it ran, how many `times` in all processes together (each leaves a file in `folder`), and, if
given, only when its first argument is `argument`, or bytes of this `sha256`. It knows nothing of
the product, which knows nothing of it.
"""

import functools
import hashlib
import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
from pathlib import Path


class Moment(importlib.abc.MetaPathFinder):
    """Finds the module meant, and makes its function deadly."""

    def __init__(self, *, module, name, when, times, folder, sha256="", argument=""):
        self.module, self.name, self.when = module, name, when
        self.times, self.folder = times, folder
        self.sha256, self.argument = sha256, argument

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module
            spec.loader.exec_module = lambda module: (execute(module), self.wrap(module))
        return spec

    def wrap(self, module):
        function = getattr(module, self.name)

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            self.is_now("before", args)
            result = function(*args, **kwargs)
            self.is_now("after", args)
            return result

        setattr(module, self.name, wrapped)

    def is_now(self, when, args):
        if when != self.when or (self.argument and args[0] != self.argument):
            return
        if not self.sha256 or hashlib.sha256(args[0]).hexdigest() == self.sha256:
            self.die()

    def die(self):
        for number in range(self.times):
            try:
                Path(self.folder, f"{self.name}-{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)


for moment in json.loads(os.environ.get("LIKENESS_MOMENTS", "[]")):
    sys.meta_path.insert(0, Moment(**moment))
