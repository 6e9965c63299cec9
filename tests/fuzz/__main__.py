"""The long run: ``python -m tests.fuzz [--runs N] [--seed N] [--engine mutations|atheris] [TARGET]...``

With atheris (in an environment that has it beside the project's own dependencies) the parsers are instrumented and
coverage leads the way; without, inputs are mutations of well-formed ones. A crash ends the run with the input that
caused it. The counts in ``docs/reliability.md`` are what this prints.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable

from tests.fuzz.mutations import mutate
from tests.fuzz.targets import Target, targets

#: A slow target gets this share of the executions.
SLOW = 20


def main() -> None:
    """Fuzz the targets named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--runs", type=int, default=50_000, help=f"executions a target; slow ones get 1 in {SLOW}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=("mutations", "atheris"), default="mutations")
    options = parser.parse_args()
    run: Callable[[str, int, int], str] = _with_atheris if options.engine == "atheris" else _with_mutations
    known, total = targets(), 0
    for name in options.targets or known:
        runs = options.runs // SLOW if known[name].slow else options.runs
        started = time.monotonic()
        outcome = run(name, runs, options.seed)
        total += runs
        print(f"{name:36} {runs:9,} executions in {time.monotonic() - started:6.1f} s  {outcome}", flush=True)
    print(f"{total:,} executions, {options.engine}")


def _with_mutations(name: str, runs: int, seed: int) -> str:
    target, chance, accepted = targets()[name], random.Random(f"{name} {seed}"), 0
    for _ in range(runs):
        data = mutate(chance.choice(target.seeds), chance)
        try:
            accepted += target(data)
        except BaseException:
            print(f"{name} crashed on {data!r}")
            raise
    return f"{accepted:,} accepted"


def _with_atheris(name: str, runs: int, seed: int) -> str:
    """In a process of its own: the engine ends the process when it is through."""
    child = os.fork()
    if child == 0:
        _atheris(targets()[name], runs, seed)
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(f"{name}: crashed, see above")
    return "no crash"


def _atheris(target: Target, runs: int, seed: int) -> None:
    import atheris

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)

    def one(data: bytes) -> None:
        target(data)

    chance = random.Random(seed)
    mutator = lambda data, _size, _seed: mutate(data or chance.choice(target.seeds), chance)  # noqa: E731
    arguments = [sys.argv[0], f"-atheris_runs={runs}", f"-seed={seed + 1}", "-verbosity=0", "-max_len=20000"]
    atheris.Setup(arguments, one, custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    if "atheris" in sys.argv:
        import atheris

        with atheris.instrument_imports(include=["harness", "generation", "reports", "json", "tomllib", "csv"]):
            for each in targets().values():
                each(each.seeds[0])  # parsers are imported when they are first used
    main()
