"""A real Slurm on loopback: munged, slurmctld and two slurmd as plain processes of the test, in a folder of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Debian keeps the daemons where a user's PATH does not look.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
NODES = ("node0", "node1")
PARTITION = "tiny"

_CONFIGURATION = """
ClusterName={name}
FirstJobId={first_job}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SchedulerType=sched/builtin
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,default_queue_depth=1000
ReturnToService=2
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdSpoolDir={folder}/%n.spool
JobRequeue=1
SlurmdTimeout=10
MessageTimeout=10
KillWait=5
MinJobAge=300
{more}
PartitionName={partition} Nodes=ALL Default=YES State=UP MaxTime=INFINITE
"""
#: What a cluster has unless it is started with something else.
_PLAIN = """SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none"""
#: Starts a program that sees nothing under a folder, and can write nothing there.
_HIDING = 'mount -t tmpfs -o ro tmpfs "$0" && exec "$@"'
_NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=8000 State=UNKNOWN"


def missing() -> str | None:
    """Why no Slurm can be started here; None where it can."""
    absent = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    return (
        f"Slurm is not installed: no {', '.join(absent)} (Debian: apt-get install slurm-wlm munge)" if absent else None
    )


@dataclass
class Cluster:
    """The running daemons.

    Attributes:
        first_job: its lowest job id.
        more: lines of its configuration that are not every cluster's.
    """

    folder: Path
    name: str = "miroeval"
    first_job: int = 1
    more: str = _PLAIN
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """What a client needs to find this Slurm and no other."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": _PATH}

    def command(self, *words: str) -> str:
        """Run a Slurm client; returns what it prints."""
        answer = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **self.variables}
        )
        assert answer.returncode == 0, f"{words}: {answer.stderr}{answer.stdout}"
        return answer.stdout

    def start(self) -> None:
        """Write the configuration and start everything; returns when jobs can run."""
        self._configure()
        munge = self.folder / "munge"
        self._spawn(
            "munged",
            *("--foreground", "--force", "--num-threads=2", f"--key-file={munge / 'key'}"),
            *(f"--socket={munge / 'socket'}", f"--pid-file={munge / 'pid'}"),
            *(f"--log-file={munge / 'log'}", f"--seed-file={munge / 'seed'}"),
        )
        wait_until(lambda: (munge / "socket").exists(), "munged listens")
        self.start_accounting()
        self._spawn("slurmctld", "-D", "-i")
        for node in NODES:
            self.start_node(node)
        wait_until(self.all_idle, "both nodes are idle")

    def start_accounting(self) -> None:
        """Start what accounts for jobs; here nothing does."""

    def _configure(self) -> None:
        munge, ports = self.folder / "munge", free_ports(1 + len(NODES))
        for folder in (munge, self.folder / "state"):
            folder.mkdir(mode=0o700)
        (munge / "key").write_bytes(secrets.token_bytes(128))
        (munge / "key").chmod(0o600)
        host, user = socket.gethostname().partition(".")[0], getpass.getuser()
        own = {"folder": self.folder, "name": self.name, "first_job": self.first_job, "more": self.more}
        text = _CONFIGURATION.format(**own, host=host, user=user, controller_port=ports[0], partition=PARTITION)
        nodes = [_NODE.format(name=name, host=host, port=port) for name, port in zip(NODES, ports[1:], strict=True)]
        partition = text.index("PartitionName=")
        (self.folder / "slurm.conf").write_text(text[:partition] + "\n".join(nodes) + "\n" + text[partition:])

    def _spawn(self, program: str, *arguments: str, name: str = "") -> None:
        path = shutil.which(program, path=_PATH)
        assert path is not None
        name = name or program
        with (self.folder / f"{name}.out").open("ab") as out:
            self._processes[name] = subprocess.Popen(
                [path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.variables},
                start_new_session=True,
            )

    def all_idle(self) -> bool:
        """Whether every daemon runs and every node waits for work."""
        for name, process in self._processes.items():
            assert process.poll() is None, f"{name} has ended: {(self.folder / f'{name}.out').read_text()}"
        answer = subprocess.run(
            ["sinfo", "--noheader", "--Node", f"--partition={PARTITION}", "--format=%T"],
            capture_output=True, text=True, check=False, env={**os.environ, **self.variables},
        )  # fmt: skip
        return answer.stdout.split() == ["idle"] * len(NODES)

    def start_node(self, node: str, without: Path | None = None) -> None:
        """Start, or start again, a compute node's daemon; ``without`` is a folder that the node does not have."""
        if without is None:
            self._spawn("slurmd", "-D", "-N", node, name=node)
        else:
            self._spawn("unshare", "--mount", "sh", "-c", _HIDING, str(without), "slurmd", "-D", "-N", node, name=node)

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a daemon: a stopped one keeps its port and answers nobody."""
        self._processes[name].send_signal(number)

    def lose_node(self, node: str) -> None:
        """What a power cut is to a node: its daemon is gone, and all it ran."""
        daemon = self._processes.pop(node)
        daemon.kill()
        daemon.wait()
        while left := descendants_of_steps(self.folder, node):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def stop(self) -> None:
        """End all jobs and daemons."""
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            self.command("scancel", "--user", getpass.getuser(), "--signal=KILL", "--full")
            self.command("scancel", "--user", getpass.getuser())
            wait_until(lambda: not self.command("squeue", "--noheader").strip(), "all jobs have ended", seconds=15)
        for process in reversed(list(self._processes.values())):
            process.terminate()
        for process in self._processes.values():
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that was asked to end, and make it."""
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Poll until something is so, or fail saying what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.1)


def processes() -> dict[int, tuple[int, str]]:
    """Of every process: its parent and its command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found[int(folder.name)] = (parent, words)
    return found


def descendants_of_steps(folder: Path, node: str) -> list[int]:
    """The step daemons that a node runs (they leave their slurmd) and everything below them."""
    everything = processes()
    environment = f"SLURMD_NODENAME={node}".encode()
    found = [pid for pid in everything if _environment_holds(pid, environment, str(folder).encode())]
    steps = {everything[pid][0] for pid in found if "slurmstepd" in everything.get(everything[pid][0], (0, ""))[1]}
    return [*steps, *found]


def _environment_holds(pid: int, *words: bytes) -> bool:
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return all(word in content for word in words)


@contextlib.contextmanager
def running_cluster(folder: Path, **options: Any) -> Iterator[Cluster]:
    """Start a cluster in an empty folder, and end it; ``options`` are those of :class:`Cluster`."""
    cluster = Cluster(folder, **options)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
