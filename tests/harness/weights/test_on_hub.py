from __future__ import annotations

import hashlib
from pathlib import Path

from harness.weights import checksums, on_hub
from harness.weights.fetching import verify
from harness.weights.on_hub import note_use
from tests.harness.weights.hub import COMMIT, entry, put


def test_wanted_files_are_found_in_the_cache(cache: Path) -> None:
    put(cache, "config.json", b"{}", large=False)
    put(cache, "model.safetensors", b"weights")
    put(cache, "pytorch_model.bin", b"the same in another format")
    put(cache, "onnx/model.json", b"{}")
    assert [file.name for file in on_hub.cached_files(entry())] == ["config.json", "model.safetensors"]
    assert on_hub.missing(entry()) == []
    assert entry().repository.commit == COMMIT
    assert entry(revision="cd" * 20).repository.commit == "cd" * 20
    assert on_hub.missing(entry(revision="cd" * 20)) != []


def test_what_is_missing_is_named(cache: Path) -> None:
    assert on_hub.missing(entry()) == ["the model's weights"]
    put(
        cache,
        "pytorch_model.bin.index.json",
        b'{"weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "b.bin"}}',
    )
    put(cache, "pytorch_model-00001-of-00002.bin", b"a")
    assert on_hub.missing(entry()) == ["b.bin"]
    gone = put(cache, "config.json", b"{}")
    gone.resolve().unlink()
    assert "config.json" in on_hub.missing(entry(files=("config.json",)))


def test_a_blob_with_other_bytes_than_its_name_says_is_set_aside(cache: Path) -> None:
    large, small = put(cache, "model.safetensors", b"weights"), put(cache, "config.json", b"{}", large=False)
    assert verify([entry()])[1] == []
    for link in (large, small):
        link.resolve().write_bytes(b"[ ]")
    _, problems = verify([entry()])
    assert len(problems) == 2
    assert all("set aside as" in problem for problem in problems)
    assert not large.exists()
    assert not small.exists()
    assert len(list((cache / "models--org--model" / "blobs").glob("*.rejected"))) == 2


def test_a_pinned_digest_outweighs_the_hub_s_word(cache: Path) -> None:
    put(cache, "model.safetensors", b"weights")
    (problem,) = verify([entry(sha256={"model.safetensors": "0" * 64})])[1]
    assert "expected 000000" in problem


def test_an_unpinned_file_is_recorded_on_first_use_and_said_aloud(cache: Path) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    link = put(cache, "model.safetensors", b"weights")
    assert verify([entry()])[0] == [
        f"org/model/model.safetensors: unpinned, sha256 {digest[:12]}... recorded on first use"
    ]
    assert verify([entry()])[0] == []
    assert checksums.first_use("org/model/model.safetensors") == {"sha256": digest, "size": 7, "revision": COMMIT}
    # A cache that somebody filled by hand tells nothing by its names: the ledger alone knows.
    link.unlink()
    link.write_bytes(b"other weights")
    assert "at its first use" in verify([entry()])[1][0]


def test_what_a_worker_loads_is_remembered(cache: Path) -> None:
    weight = {"source": "org/model", "file": "model.safetensors", "revision": COMMIT, "sha256": "1" * 64}
    assert note_use([weight, {"name": "by-address", "sha256": "2" * 64}]) == [
        "unpinned weights, recorded on first use: org/model/model.safetensors 111111111111"
    ]
    assert note_use([weight]) == []
    assert "is not what it was on its first use" in note_use([weight | {"sha256": "3" * 64}])[0]


def test_a_file_is_hashed_again_only_when_it_was_touched(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(b"a")
    first = checksums.digest_of(file)
    record = checksums.path().read_text()
    assert checksums.digest_of(file) == first
    assert checksums.path().read_text() == record
    file.write_bytes(b"bb")
    assert checksums.digest_of(file) == hashlib.sha256(b"bb").hexdigest()
