"""Hostile training configurations by the hundred thousand: ``python -m tests.generation.checkpoints.config_fuzz``.

Two targets: ``builder`` changes the plain data of a configuration, which is fast; ``reader`` changes its bytes. Each
execution asks for all that loading a checkpoint asks for. It must end in a value or a ``UserError``; nothing outside
the table may be called, and no value of the environment may show. A fault ends the run with the input that caused it.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from generation.checkpoints import kinds, known_parts, lightning
from generation.checkpoints.plain_yaml import Unread
from generation.checkpoints.training_config import TrainingConfig, package_folder, read_config
from tests.fuzz.mutations import FOLDER, mutate
from wire.protocol import UserError

SECRET = "hf_what_nobody_may_see"
VARIABLES = dict.fromkeys(("HF_TOKEN", "HOME", "USER", "WANDB_API_KEY"), SECRET)

#: Audit events of what a configuration must not bring about; all of them but ``open`` at any time.
FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "subprocess.",
    "exec",
    "compile",
    "import",
)
FORBIDDEN += ("socket.", "ctypes.", "pickle.", "os.putenv", "os.remove", "os.rename", "os.mkdir", "shutil.")

TEXTS = (
    *("${oc.env:HF_TOKEN}", "\\${oc.env:HF_TOKEN}", "\\\\${oc.env:HOME}", "\\\\\\${oc.env:USER}", "x${oc.env:HOME}y"),
    *("${oc.create:{_target_: os.system, command: id}}", "\\${oc.create:{_target_: os.system, command: id}}"),
    *(
        "${oc.decode:'${oc.env:HOME}'}",
        "${oc.select:x,${oc.env:USER}}",
        "${oc.deprecated:data}",
        "${oc.dict.keys:model}",
    ),
    *("${eval:__import__('os').system('id')}", "\\${eval:1}", "${hydra:runtime.cwd}", "${now:%Y}", "${env:HF_TOKEN}"),
    *("${data}", "${model}", "${model.network.instance}", "${model.network.coherence_keys}", "${data.data_resolution}"),
    *(
        "${.a}",
        "${..a}",
        "${model.network.coherence_keys[0]}",
        "${data[label_dim]}",
        "${ data.label_dim }",
        "${",
        "}",
        "$",
    ),
    *(
        "a${data.label_dim}b",
        "${data.label_dim}${data.label_dim}",
        "$${data.label_dim}",
        "$HOME",
        "~",
        "%(HOME)s",
        "{HOME}",
    ),
    *(
        "{oc.env:HF_TOKEN}",
        "${root_dir}",
        "${nowhere}",
        "???",
        "",
        "\x00",
        "\ud800",
        "\n",
        "a\\",
        "9" * 5000,
        "e" * 5000,
    ),
    *("os.system", "builtins.eval", "diffusers.AutoencoderKL.from_pretrained", "../..", "/etc/passwd", "a/b", "a/../b"),
)
KEYS = (
    *(
        "_target_",
        "_args_",
        "_partial_",
        "_convert_",
        "_recursive_",
        "__class__",
        "${oc.env:HF_TOKEN}",
        "\\${data}",
        "",
    ),
    *("token", "subfolder", "revision", "use_safetensors", "cache_dir", "device", "start", "vae", "root_dir", "model"),
    *("data", "a.b", 7, None, True, 1.5),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 7, 1 << 40, 0.5, 1e-9, 1e308, float("nan"), float("inf"), [], {}, [[]], [None]),
    *(
        {"_target_": "os.system", "command": "id"},
        [{"_target_": "os.system"}],
        {"_target_": ["os.system"]},
        Unread("!x"),
    ),
    *({"_target_": target} for target in known_parts.KNOWN),
)
TREE: dict[str, Any] = {
    "root_dir": "${hydra:runtime.cwd}",
    "piece": "$",
    "data": {"data_resolution": 32, "label_dim": 2048, "num_cond_tokens": 77, "in_channels": 4},
    "model": {
        "ema_decay": [0.999, 0.9999],
        "default_ema_index": 1,
        "sigma_data": 0.5,
        "coherence_values": {"clip_score_coherence": 1.0},
        "coherence_keys": ["clip_score_coherence"],
        "guidance_type": "constant",
        "negative_prompts": "random_prompt",
        "network": {
            "coherence_keys": ["clip_score"],
            "instance": {
                "_target_": known_parts.NETWORK,
                "data_size": "${data.data_resolution}",
                "num_latents": 16,
                "coherence_keys": "${model.network.coherence_keys}",
                "dropout_strategy": "binomial",
            },
        },
        "preconditioning": {
            "_target_": known_parts.PRECONDITIONING,
            "num_latents": "${model.network.instance.num_latents}",
            "do_normalization": "noise_driven",
            "sigma_data": "${model.sigma_data}",
        },
        "postprocessing": {
            "_target_": known_parts.POSTPROCESSING,
            "vae": {"_target_": known_parts.VAE, "pretrained_model_name_or_path": "stabilityai/sdxl-vae"},
            "model_type": "sdxl",
        },
        "inference_noise_scheduler": {"_target_": known_parts.SCHEDULER, "start": 1, "end": 0, "clip_min": 1e-9},
    },
}
#: Small, because YAML is read slowly: each has one of the things that are asked for.
FILES = (
    b"data: {data_resolution: 16}\nmodel:\n  ema_decay: [0.9, 1e-3]\n  default_ema_index: ${data.x}\n",
    b"model: {preconditioning: {_target_: miro.models.preconditioning.FlowPrecond, sigma_data: 0.5}}\n",
    b"model:\n  inference_noise_scheduler:\n    _target_: miro.models.scheduler.LinearScheduler\n    clip_min: 1e-9\n",
    b"n: a\nmodel:\n  guidance_type: '${n}'\n  negative_prompts: \"x${n}\"\n  coherence_values: {a_coherence: 1.0}\n",
)
TOKENS = (
    *(
        b"&a ",
        b"*a",
        b"<<: ",
        b"!!python/object/apply:os.system [id]",
        b"!!int ",
        b"!!bool ",
        b"!!binary ",
        b"!x ",
        b"? ",
    ),
    *(
        b"- ",
        b"[",
        b"{",
        b"}",
        b"]",
        b"|\n ",
        b">-\n ",
        b"%YAML 1.1\n---\n",
        b"---\n",
        b"...\n",
        b'"\\UFFFFFFFF"',
        b"\t",
    ),
    *(
        b": ",
        b"\n",
        b"  ",
        b"1:2:3",
        b"0x",
        b"0b_",
        b"1e999",
        b".inf",
        b"2024-01-01",
        b"- " * 60,
        b"[" * 60,
        b"'",
        b'"',
    ),
)
REQUESTS: tuple[Callable[[TrainingConfig], object], ...] = (
    lightning.ema_prefix,
    lightning._axes,
    lightning._build,
    lambda config: config.get("model.postprocessing.vae.pretrained_model_name_or_path", kinds.PRETRAINED),
    lambda config: config.get("model.postprocessing.vae.revision", kinds.INSIDE_REPO),
    lambda config: config.get("model.guidance_type", kinds.TEXT),
    lambda config: config.get("model.negative_prompts", kinds.TEXT),
    lambda config: config.get("model.coherence_values", kinds.TARGETS),
    lambda config: config.build("model.network.instance", known_parts.NETWORK),
    lambda config: config.build("model.preconditioning", known_parts.PRECONDITIONING),
    lambda config: config.build("model.postprocessing", known_parts.POSTPROCESSING),
    lambda config: config.build("model.inference_noise_scheduler", known_parts.SCHEDULER),
)


class Watch:
    """Notes forbidden events while it is on. An audit hook cannot be taken away again, so there is one."""

    def __init__(self) -> None:
        self.on, self.seen, self.path = False, list[str](), ""
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event.startswith(FORBIDDEN) or (event == "open" and str(arguments[0]) != self.path):
            self.seen.append(f"{event} {arguments!r}"[:200])


WATCH = Watch()


def _recorder(target: str) -> Callable[..., Any]:
    """What is built in place of a part: it tells what it was given."""

    def build(**arguments: Any) -> Any:
        strangers = arguments.keys() - known_parts.KNOWN[target].keys()
        assert not strangers, f"{target} got {strangers}"
        return {"built": target, **arguments}

    return build


@contextmanager
def stand_ins() -> Iterator[None]:
    """Recorders in place of the parts, and a secret in the environment."""
    package_folder()
    with patch.object(known_parts, "maker", _recorder), patch.dict(os.environ, VARIABLES):
        yield


def check(config: TrainingConfig, path: Path) -> int:
    """Ask for everything; how many requests ended in a value."""
    given = 0
    for request in REQUESTS:
        WATCH.path, WATCH.on = str(path), True
        try:
            value, error = request(config), None
        except UserError as refusal:
            value, error = None, str(refusal)
        finally:
            WATCH.on = False
        given += error is None
        _check_outcome(value, error, path)
    assert not WATCH.seen, WATCH.seen
    return given


def _check_outcome(value: Any, error: str | None, path: Path) -> None:
    if error is not None:
        assert "\n" not in error
        assert str(path) in error
        assert len(error) < 1500
    text = error or repr(value)
    assert SECRET not in text
    assert error is not None or "${" not in text, text


def _changed(node: Any, chance: random.Random) -> Any:
    """A copy with one value, somewhere inside, replaced, removed or put under another key."""
    if not isinstance(node, (dict, list)) or not node or chance.random() < 0.1:
        return _value(chance)
    copy = node.copy()
    key = chance.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
    choice = chance.random()
    if choice < 0.05:
        copy.pop(key)
    elif choice < 0.12 and isinstance(copy, dict):
        copy[chance.choice(KEYS)] = copy.pop(key) if choice < 0.09 else _value(chance)
    else:
        copy[key] = _changed(copy[key], chance)
    return copy


def _value(chance: random.Random) -> Any:
    choice = chance.random()
    if choice < 0.6:
        return chance.choice(TEXTS)
    if choice < 0.65:
        return "".join(chance.choices(TEXTS, k=2))
    if choice < 0.7:
        return [chance.choice(TEXTS)]
    if choice < 0.75:
        return {chance.choice(KEYS): chance.choice(TEXTS)}
    return chance.choice(VALUES)


def build_once(chance: random.Random, path: Path) -> int:
    """One execution on plain data."""
    tree: Any = TREE
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        tree = _changed(tree, chance)
    tree = tree if isinstance(tree, dict) else {"model": tree}
    try:
        return check(TrainingConfig(path, tree), path)
    except BaseException:
        print(f"builder failed on {tree!r}")
        raise


def read_once(chance: random.Random, path: Path) -> int:
    """One execution on bytes."""
    data = chance.choice(FILES)
    if chance.random() < 0.4:
        data = mutate(data, chance)
    for _ in range(chance.choice((0, 1, 1, 2))):
        place = chance.randrange(len(data) + 1)
        token = chance.choice((*TOKENS, chance.choice(TEXTS).encode("utf-8", errors="replace")))
        data = data[:place] + token + data[place:]
    try:
        return _read(data, path)
    except BaseException:
        print(f"reader failed on {data!r}")
        raise


def _read(data: bytes, path: Path) -> int:
    path.write_bytes(data)
    WATCH.path, WATCH.on = str(path), True
    try:
        config, error = read_config(path, trusted=False), None
    except UserError as refusal:
        config, error = None, str(refusal)
    finally:
        WATCH.on = False
    _check_outcome("", error, path)
    return check(config, path) if config else 0


TARGETS = {"builder": build_once, "reader": read_once}


def fuzz(name: str, runs: int, seed: int) -> tuple[int, int]:
    """Run a target; how many executions had all, and how many had none of the requests end in a value."""
    chance, whole, none = random.Random(f"{name} {seed}"), 0, 0
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder, stand_ins():
        path = Path(folder) / "config.yaml"
        for _ in range(runs):
            given = TARGETS[name](chance, path)
            whole, none = whole + (given == len(REQUESTS)), none + (given == 0)
    return whole, none


def main() -> None:
    """Fuzz the targets named, or both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    parser.add_argument("--runs", type=int, default=50_000, help="executions a target")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.targets:
        started = time.monotonic()
        whole, none = fuzz(name, options.runs, options.seed)
        took = time.monotonic() - started
        print(f"{name}: {options.runs:,} executions in {took:.1f} s; {whole:,} gave every value, {none:,} gave none")


if __name__ == "__main__":
    main()
