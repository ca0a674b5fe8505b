"""Kills a process of an installation at a named moment; Python imports this at its start.

LIKENESS_MOMENTS is a list in JSON: which function (`module`, `name`), whether to die `before` or
`after` it ran, how many `times` in all processes together (each leaves a file in `folder`), how
many runs of each process it lets `pass_by` first, and, if given, only when its first argument is
`argument`, or bytes of this `sha256`. It knows nothing of the product, which knows nothing of it.
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

    def __init__(self, *, module, name, when, times, folder, sha256="", argument="", pass_by=0):
        self.module, self.name, self.when = module, name, when
        self.times, self.folder = times, folder
        self.sha256, self.argument, self.pass_by = sha256, argument, pass_by

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module
            here = [moment for moment in MOMENTS if moment.module == name]
            spec.loader.exec_module = lambda module: (
                execute(module),
                [moment.wrap(module) for moment in here],
            )
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
        if self.sha256 and hashlib.sha256(args[0]).hexdigest() != self.sha256:
            return
        self.pass_by -= 1
        if self.pass_by < 0:
            self.die()

    def die(self):
        for number in range(self.times):
            try:
                Path(self.folder, f"{self.name}-{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)


MOMENTS = [Moment(**moment) for moment in json.loads(os.environ.get("LIKENESS_MOMENTS", "[]"))]
sys.meta_path[:0] = MOMENTS
