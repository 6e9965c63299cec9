"""Rows and scores as a dataset of the Hugging Face hub, and a model's scores as its ``.eval_results`` file.

Everything is written into a folder first, and sent only on request. No path of this host and no token is in any of it:
texts that may hold some (reasons, notes, names of files) are cleaned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.files import write_text, writing
from reports.gallery.pictures import picture_within, thumbnail
from reports.leaderboard.files import leaderboard_record
from reports.leaderboard.markdown import leaderboard_markdown
from reports.leaderboard.sections import SCORES, headlines, scored_images
from reports.leaderboard.table import Group
from reports.summary.run_summary import GENEVAL
from wire.errors import EnvironmentFailure, MiroEvalError, UserError
from wire.paths import expanded
from wire.pictures import UnreadablePicture, read_picture

if TYPE_CHECKING:
    import pandas as pd

    from reports.leaderboard.table import Leaderboard

ROWS, CARD, SCORES_FILE = "data/rows.parquet", "README.md", "leaderboard.json"
#: Absolute paths, spaces in their folders included, of which the last part stays; and what tokens of the hub and of
#: other services look like.
_PART = r"[\w.@+=,\\-]+"
_PATH = re.compile(rf"(?:(?<![\w./])|(?<=[:;]//))(?:/{_PART}(?: {_PART})*)+/(?={_PART})")
_TOKEN = re.compile(r"\b(?:hf_|sk-|ghp_|github_pat_|glpat-)[A-Za-z0-9_-]{12,}")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
#: Columns that hold what others than the suite's authors wrote.
_FOREIGN = ("model", "prompt_key", "filename", "reason", "unscored_rewards")


@dataclass(frozen=True)
class Upload:
    """What would be sent to one repository."""

    repo: str  #: ``owner/name``
    kind: str  #: ``dataset`` or ``model``
    files: Mapping[str, Path]  #: name in the repository -> file here

    @property
    def lines(self) -> list[str]:
        """What is sent where, for a user to look at."""
        sizes = [f"  {name} ({path.stat().st_size / 1024:,.0f} KB): {path}" for name, path in self.files.items()]
        return [f"{self.kind} {self.repo}:", *sizes]


def cleaned(text: str) -> str:
    """A text without absolute paths (their last part stays; a home folder is ``~``) and without tokens."""
    home = re.escape(str(expanded("~")).rstrip("/"))
    text = re.sub(rf"(?<![\w.]){home}(?![\w/])", "~", text) if home else text
    return _TOKEN.sub("[token]", _PATH.sub("", text))


def dataset_upload(board: Leaderboard, report: Path, out: Path, repo: str, thumbnails: bool = False) -> Upload:
    """Write a dataset: rows as parquet, the leaderboard as JSON, a card.
    ``report``: the folder with ``scores.parquet`` of that leaderboard.
    ``thumbnails``: whether each row gets a small copy of its image, as the hub's viewer shows it.
    Raises UserError: not a repository's name, or the folder cannot be written.
    """
    import pandas as pd

    _check_repo(repo)
    rows = pd.read_parquet(report / "scores.parquet")
    images = _thumbnails(board, rows) if thumbnails else None
    for column in _FOREIGN:
        rows[column] = rows[column].map(cleaned)
    _write_rows(rows, out / ROWS, images)
    record = json.dumps(leaderboard_record(board), ensure_ascii=False, indent=2)
    write_text(out / SCORES_FILE, cleaned(record) + "\n")
    write_text(out / CARD, _card(board, repo, len(rows)))
    return Upload(repo, "dataset", {name: out / name for name in (CARD, ROWS, SCORES_FILE)})


def model_upload(board: Leaderboard, out: Path, repo: str, benchmark: str, dataset: str) -> Upload:
    """Write ``.eval_results/NAME.yaml`` for the model of a leaderboard's only run, by huggingface_hub's own classes.
    ``benchmark``: the registered benchmark dataset; its tasks are called ``overall`` and as GenEval's tags.
    ``dataset``: the dataset that the scores rest on, as their source.
    Raises UserError: a name is no repository's, or there is no GenEval score of one complete run to send.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    from huggingface_hub.repocard_data import CardData

    for name in (repo, benchmark):
        _check_repo(name)
    rows = board.frame[board.frame["overall"].notna() & ~board.frame["random_weights"]].to_dict("records")
    if len(board.frame) != 1 or not rows:
        raise UserError(f"--model {repo}: needs one run with GenEval scores of trained weights")
    row: dict[Any, Any] = rows[0]
    if row["group"] != Group.COMPLETE.value:
        raise UserError(
            f"--model {repo}: a benchmark's scores are of a complete sweep of GenEval's own prompts; this is of "
            f"{row['coverage']} ({row['group']})"
        )
    scored = scored_images(row, [GENEVAL])[GENEVAL]
    notes = f"{row['coverage']}, {scored.scored:,} of {scored.expected:,} images"
    notes += f"; protocol {row['fingerprint']}" if row["fingerprint"] else ""
    about = {"source_url": f"https://huggingface.co/datasets/{dataset}", "source_name": "rows", "notes": notes}
    tasks = [task for task in SCORES if row[task] == row[task]]
    entries: Any = [EvalResultEntry(benchmark, task, float(row[task]), **about) for task in tasks]
    # The card's writer of YAML takes an object: the list is what stands below its only key.
    text = CardData(results=eval_result_entries_to_yaml(entries)).to_yaml().removeprefix("results:\n")
    name = f".eval_results/{benchmark.partition('/')[2]}.yaml"
    return Upload(repo, "model", {name: write_text(out / "model" / name, text + "\n")})


def send(upload: Upload, *, private: bool = True) -> str:
    """Send it in one commit: a dataset is made if need be, to a model's repository goes a pull request.
    Returns the address of the commit or of the pull request.
    Raises UserError: no token, or one that may not write there; EnvironmentFailure: the hub is out of reach, or refuses
    it for another reason.
    """
    from wire.hub_client import client, endpoint

    try:
        hub = client()
        api = hub.HfApi(endpoint=endpoint())
        if upload.kind == "dataset":
            api.create_repo(upload.repo, repo_type="dataset", private=private, exist_ok=True)
        parts = [hub.CommitOperationAdd(name, path) for name, path in upload.files.items()]
        pull = upload.kind == "model"
        done = api.create_commit(
            upload.repo, parts, commit_message="Scores by miro-eval", repo_type=upload.kind, create_pr=pull
        )
    except Exception as error:  # the client raises what it likes
        raise _failure(upload, error) from error
    return str(done.pr_url if pull else done.commit_url)


def _failure(upload: Upload, error: Exception) -> MiroEvalError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    words = cleaned(" ".join(str(error).split()))[:200]
    text = f"{upload.kind} {upload.repo}: not sent ({type(error).__name__}: {words})"
    if status in (401, 403, 404) or type(error).__name__ == "LocalTokenNotFoundError":
        return UserError(f"{text}; log in with `hf auth login` and a token that may write there")
    return EnvironmentFailure(text)


def _check_repo(name: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        if not _REPO.fullmatch(name):
            raise UserError(f"{name!r}: not a repository on the hub; expected owner/name")
        validate_repo_id(name)
    except HFValidationError as error:
        raise UserError(f"{name[:120]!r}: not a repository on the hub; {str(error).partition(':')[0]}") from error


def _thumbnails(board: Leaderboard, rows: pd.DataFrame) -> list[dict[str, Any] | None]:
    """Of each row the JPEG as the hub's datasets hold images; None where there is no image to be read."""
    folders = {model: source.folder for model, source in board.sources.items()}
    found: list[dict[str, Any] | None] = []
    for model, filename in zip(rows["model"], rows["filename"], strict=True):
        path, content = picture_within(folders[model], filename), BytesIO()
        try:
            if path is not None:
                read_picture(path.read_bytes(), thumbnail).save(content, "JPEG", quality=85, comment="")
        except (OSError, UnreadablePicture):
            path = None
        found.append(None if path is None else {"bytes": content.getvalue(), "path": None})
    return found


def _write_rows(rows: pd.DataFrame, path: Path, images: list[dict[str, Any] | None] | None) -> None:
    import pyarrow  # type: ignore[import-untyped,unused-ignore]
    from pyarrow import parquet

    table = pyarrow.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    if images is not None:
        kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
        table = table.append_column("image", pyarrow.array(images, kind))
        # Which tells the hub's viewer that the bytes are a picture.
        about = {"info": {"features": {"image": {"_type": "Image"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    with writing(path, also=pyarrow.ArrowException):
        parquet.write_table(table, path, compression="zstd")


def _card(board: Leaderboard, repo: str, rows: int) -> str:
    from huggingface_hub import DatasetCard, DatasetCardData

    suites = [{"overall": "geneval"}.get(name, name) for name in headlines(board)]
    sizes = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
    data = DatasetCardData(
        pretty_name=f"miro-eval rows: {repo.partition('/')[2]}",
        task_categories=["text-to-image"],
        tags=[*suites, "miro-eval", "text-to-image"],
        size_categories=[next((name for most, name in sizes.items() if rows < most), "1M<n<10M")],
        configs=[{"config_name": "default", "data_files": ROWS}],
    )
    verdicts = "GenEval's verdict and its reason, " if "overall" in headlines(board) else ""
    about = (
        f"One row per image: {verdicts}the rewards, and the reasons of unscored ones. "
        "The columns are those of `scores.csv` in miro-eval's docs/statistics.md."
    )
    text = f"---\n{data.to_yaml()}\n---\n# Scores\n\n{about}\n\n{leaderboard_markdown(board)}"
    return str(DatasetCard(cleaned(text)))
