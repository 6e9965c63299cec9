from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, missing, running_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A Slurm of a test module's own, on this machine."""
    if reason := missing():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: it holds a socket, whose path may have 107 characters
    try:
        with running_cluster(folder) as cluster, pytest.MonkeyPatch.context() as patch:
            for name, value in cluster.variables.items():
                patch.setenv(name, value)
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)
