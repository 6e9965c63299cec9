"""What a real Slurm does to a run, and takes too long, or needs more than the tests have, to be tried with them.

    python -m bench.faults.slurm [--only TEXT]

Each fault meets a run of all stages in two shards, on a cluster of its own; then the same command is given again,
without Slurm, and images and rows are compared with those of an undisturbed run. Accounting needs ``slurmdbd``, its
MySQL plugin and MariaDB (Debian: ``slurmdbd mariadb-server``), installed or unpacked anywhere (``PATH`` and
``LD_LIBRARY_PATH`` find them); without them that cell is skipped. The others are in ``tests/slurm/test_matrix.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.faults.stand import content
from tests.real_environments import miro_eval, world
from tests.slurm.cluster import PARTITION, Cluster, free_ports, wait_until
from tests.slurm.test_slurm import queue, states, wait_for_end, workers

SWEEP = ("--tiny-world", "--device", "cpu", "--steps", "2", "--limit", "32", "--samples", "1", "--metric", "aesthetic")
SLURM = ("--executor", "slurm", "--partition", PARTITION, "--shards", "2")
_MEASURED = "JobAcctGatherType=jobacct_gather/linux\nJobAcctGatherFrequency=task=1"
_NO_DATABASE = "AccountingStorageType=accounting_storage/none"
_DATABASE = """AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={storage_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
PluginDir={plugins}
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


def submit(run: Path, *more: str) -> tuple[int, str]:
    """Exit code and last line of a submission."""
    answer = miro_eval("all", world().checkpoint, *SWEEP, "--out", run, *SLURM, *more)
    return answer.returncode, next((line for line in answer.stderr.splitlines() if "refused" in line), "")


def out_of_memory(_cluster: Cluster, run: Path) -> tuple[int, str]:
    """Slurm ends the tasks that take more than they asked for."""
    submit(run, "--slurm-arg", "mem=150M")
    return 0, ""


def preempted(cluster: Cluster, run: Path) -> tuple[int, str]:
    """A job of a better partition takes both nodes; its victims go back to the queue by themselves."""
    submit(run)
    wait_until(lambda: workers(run) == 2, "both tasks have begun", seconds=120)
    victims = set(queue(cluster, "RUNNING"))
    urgent = ("sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 5")
    cluster.command(*urgent)
    wait_until(lambda: victims <= queue(cluster, "PENDING").keys(), "the tasks are back in the queue", seconds=120)
    for task in victims:  # Slurm lets them wait for two minutes
        cluster.command("scontrol", "update", f"JobId={task}", "StartTime=now")
    wait_for_end(cluster)
    attempts = [state["attempts"] for state in states(run, "generate")]
    return 0, f"attempts: {attempts}"


def accounted(cluster: Cluster, run: Path) -> tuple[int, str]:
    """Without an account of the database's the submission is refused; with one it runs, and is accounted for."""
    refused = submit(run, "--slurm-arg", "account=nobody")
    if queue(cluster, "PENDING", "RUNNING"):
        raise RuntimeError("a refused submission left something in the queue")
    submit(run, "--slurm-arg", "account=lab")
    wait_for_end(cluster)
    report = cluster.command("sacct", "--noheader", "--allocations", "--parsable2", "--format=State,Account")
    ended = sorted(set(report.split()))
    return refused[0], f"{refused[1]}; then sacct: {len(report.split())} tasks {', '.join(ended)}"


class AccountedCluster(Cluster):
    """A cluster with a database: MariaDB and slurmdbd beside its other daemons."""

    def start_accounting(self) -> None:
        """Start the database, and enter the cluster and an account of the user's."""
        port, storage_port = free_ports(2)
        data, root = self.folder / "db", Path(_found("slurmdbd")).parents[2]
        base = Path(_found("mariadbd")).parents[1]
        make = [_found("mariadb-install-db"), "--no-defaults", f"--basedir={base}", f"--datadir={data}", "--user=root"]
        subprocess.run([*make, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
        options = (f"--datadir={data}", f"--socket={data}/socket", f"--port={storage_port}", "--user=root")
        messages = f"--lc-messages-dir={base}/share/mysql"
        self._spawn("mariadbd", "--no-defaults", *options, "--bind-address=127.0.0.1", messages)
        wait_until(lambda: (data / "socket").exists(), "the database listens", seconds=60)
        words = "CREATE USER slurm@localhost IDENTIFIED BY 'slurm'; GRANT ALL ON *.* TO slurm@localhost"
        subprocess.run([_found("mariadb"), "--no-defaults", f"--socket={data}/socket", "-e", words], check=True)
        plugins = [*root.glob("usr/lib/*/slurm-wlm"), *Path("/usr/lib").glob("*/slurm-wlm")]
        text = _DATABASE.format(
            folder=self.folder, port=port, storage_port=storage_port, plugins=":".join(dict.fromkeys(map(str, plugins)))
        )
        (self.folder / "slurmdbd.conf").write_text(text)
        (self.folder / "slurmdbd.conf").chmod(0o600)
        with (self.folder / "slurm.conf").open("a") as file:
            file.write(f"AccountingStoragePort={port}\nAccountingStoragePass={self.folder}/munge/socket\n")
        self._spawn("slurmdbd", "-D")
        wait_until(self._knows_the_cluster, "the database knows the cluster", seconds=60)
        for words in (f"add account lab cluster={self.name}", f"add user root account=lab cluster={self.name}"):
            self.command("sacctmgr", "-i", *words.split())

    def _knows_the_cluster(self) -> bool:
        with contextlib.suppress(AssertionError):
            self.command("sacctmgr", "-i", "add", "cluster", self.name)
        with contextlib.suppress(AssertionError):
            return self.name in self.command("sacctmgr", "--noheader", "list", "cluster", "format=cluster")
        return False


def _found(program: str) -> str:
    path = shutil.which(program, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if path is None:
        raise FileNotFoundError(program)
    return path


@dataclass(frozen=True)
class Cell:
    """One thing that a cluster does.

    Attributes:
        act: submits and lets it happen; returns an exit code and a line worth telling.
        more: configuration of its cluster.
    """

    act: Callable[[Cluster, Path], tuple[int, str]]
    more: str
    kind: type[Cluster] = Cluster


CELLS = {
    "tasks killed for memory": Cell(
        out_of_memory,
        f"{_MEASURED}\nSelectTypeParameters=CR_Core_Memory\nJobAcctGatherParams=OverMemoryKill\n{_NO_DATABASE}",
    ),
    "tasks preempted": Cell(
        preempted,
        f"SelectTypeParameters=CR_Core\nJobAcctGatherType=jobacct_gather/none\n{_NO_DATABASE}\nPreemptType=preempt/partition_prio\n"
        "PreemptMode=REQUEUE\nPartitionName=urgent Nodes=ALL PriorityTier=9 PreemptMode=off State=UP",
    ),
    "accounting, enforced": Cell(
        accounted,
        f"{_MEASURED}\nSelectTypeParameters=CR_Core\nAccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=localhost\n"
        "AccountingStorageEnforce=associations",
        AccountedCluster,
    ),
}


@contextlib.contextmanager
def _asking(cluster: Cluster) -> Iterator[None]:
    """Commands in here are for this cluster."""
    before = dict(os.environ)
    os.environ.update(cluster.variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def tried(cell: Cell, work: Path, wanted: dict[str, str]) -> str:
    """The rest of a line of the table."""
    run, started = work / "run", time.monotonic()
    cluster = cell.kind(work, more=cell.more)
    try:
        cluster.start()
        with _asking(cluster):
            status, said = cell.act(cluster, run)
            wait_for_end(cluster)
            told = miro_eval("status", run)
            again = miro_eval("all", world().checkpoint, *SWEEP, "--out", run)
    finally:
        cluster.stop()
    failures = [line for line in told.stdout.splitlines() if " failed: " in line]
    causes = [line.strip(" |") for line in told.stdout.splitlines() if "slurmstepd" in line]
    said = "; ".join(part for part in (said, *failures[:1], *causes[:1]) if part).replace("|", "\\|")
    same = {name: digest for name, digest in content(run).items() if not name.startswith("report/")} == wanted
    seconds = f"{time.monotonic() - started:.0f} s"
    return f"{status} | {told.returncode} | {said} | {again.returncode} | {'yes' if same else '**no**'} | {seconds}"


def main() -> None:
    """Try the cells that are asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cells whose name holds this text")
    only = parser.parse_args().only
    print("| fault | submitted, exit | `status`, exit | said | again | same bytes | took |")  # noqa: T201
    print("|---|---|---|---|---|---|---|")  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="slurm-") as place:
        reference = Path(place) / "reference"
        miro_eval("all", world().checkpoint, *SWEEP, "--out", reference)
        wanted = {name: digest for name, digest in content(reference).items() if not name.startswith("report/")}
        for number, (name, cell) in enumerate(CELLS.items()):
            if only in name:
                (work := Path(place) / str(number)).mkdir()
                try:
                    line = tried(cell, work, wanted)
                except FileNotFoundError as error:
                    line = f"skipped: no {error}"
                print(f"| {name} | {line} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
