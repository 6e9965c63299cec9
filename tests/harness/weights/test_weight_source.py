from __future__ import annotations

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
