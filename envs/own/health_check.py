"""Whether a user's own environment has what a worker needs; the last line is a JSON object of versions."""

import json
import platform
import sys
from importlib.metadata import distributions
from importlib.util import find_spec

if sys.version_info < (3, 10):  # noqa: UP036 - a user's own may be older
    sys.exit(f'it has Python {platform.python_version()}, a worker needs 3.10 or newer: see "requires-python"')
if lacking := [name for name, module in (("numpy", "numpy"), ("pillow", "PIL")) if find_spec(module) is None]:
    sys.exit(f"it lacks {' and '.join(lacking)}, which a worker needs: `uv add {' '.join(lacking)}` in its folder")

FOUND = {"python": platform.python_version()}
print(json.dumps(FOUND | {one.name.lower().replace("_", "-"): one.version for one in distributions()}))
