from __future__ import annotations

import os
import subprocess
import sys
import urllib.request

import pytest

from harness.weights.weight_source import PublishedWeights


def test_offline_workers_get_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "socks://127.0.0.1:9")
    for name, value in PublishedWeights(offline=True).variables().items():
        monkeypatch.setenv(name, value)
    assert {"all", "https"}.isdisjoint(urllib.request.getproxies())
    assert PublishedWeights().variables() == {}


def test_offline_workers_send_no_token() -> None:
    script = "from huggingface_hub.utils import build_hf_headers; print(*build_hf_headers())"
    variables = os.environ | {"HF_TOKEN": "“hf_hidden”"} | PublishedWeights(offline=True).variables()
    answer = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["user-agent"]
