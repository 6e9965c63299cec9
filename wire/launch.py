"""Runs a worker's module: ``python .../wire/launch.py MODULE ARGUMENTS``, like ``python -m MODULE ARGUMENTS``.

``-m`` would look for the module in the working directory first, where a training repository may have a ``rewards/`` of
its own. Here our packages come first; the working directory, where a user's own code looks for its files, stays.
"""

import sys

# This file's folder, where Python put it first, holds modules of common names and must not stand there.
_HERE = __file__.rpartition("/")[0]
_ROOT = _HERE.rpartition("/")[0]
sys.path[:] = [_ROOT, *(place for place in sys.path if place not in (_HERE, _ROOT))]

import runpy  # noqa: E402 - only now

if __name__ == "__main__":
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
