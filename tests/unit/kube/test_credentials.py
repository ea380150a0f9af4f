"""Which API server is talked to, and as whom."""

import json
from pathlib import Path

import pytest

from batchyard.kube import credentials
from batchyard.kube.client import connect


def _kubeconfig(path: Path, server: str = "http://127.0.0.1:1", *contexts: str) -> str:
    contexts = contexts or ("here",)
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": contexts[0],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": name, "user": {"token": f"token-{name}"}} for name in contexts],
                "contexts": [{"name": name, "context": {"cluster": "c", "user": name}} for name in contexts],
            }
        )
    )
    return str(path)


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any credentials."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "https_proxy", "HTTPS_PROXY", "http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


async def test_an_explicit_kubeconfig_and_context_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBECONFIG", _kubeconfig(tmp_path / "other", "http://127.0.0.1:2"))
    path = _kubeconfig(tmp_path / "config", "http://127.0.0.1:1", "here", "there")

    configuration, _ = await credentials.load(path, "there")

    assert configuration.host == "http://127.0.0.1:1"
    assert (await configuration.auth_settings())["BearerToken"]["value"] == "Bearer token-there"


async def test_kubeconfig_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBECONFIG", _kubeconfig(tmp_path / "other", "http://127.0.0.1:2"))

    configuration, _ = await credentials.load()

    assert configuration.host == "http://127.0.0.1:2"


async def test_kubeconfig_of_the_home_directory(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    _kubeconfig(tmp_path / ".kube" / "config", "http://127.0.0.1:3")

    configuration, _ = await credentials.load()

    assert configuration.host == "http://127.0.0.1:3"


async def test_a_proxy_of_the_environment_unless_excepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    path = _kubeconfig(tmp_path / "config", "https://api.example:6443")

    configuration, _ = await credentials.load(path)
    assert configuration.proxy == "http://proxy.example:3128"

    monkeypatch.setenv("no_proxy", "api.example")
    configuration, _ = await credentials.load(path)
    assert configuration.proxy is None


async def test_no_credentials_at_all_is_said_with_a_remedy() -> None:
    with pytest.raises(credentials.CredentialsError, match=r"no API server to talk to: .* set KUBECONFIG"):
        await credentials.load()


@pytest.mark.parametrize("content", ["", "{}", "clusters: 3", "a: ["])
async def test_an_unusable_kubeconfig_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)

    with pytest.raises(credentials.CredentialsError, match=f"cannot use kubeconfig {path}"):
        await credentials.load(str(path))


async def test_a_pod_without_service_account_token_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")

    with pytest.raises(credentials.CredentialsError, match="the pod's service account"):
        await credentials.load()


async def test_a_client_opens_and_closes_without_a_server(tmp_path: Path) -> None:
    client = await connect(_kubeconfig(tmp_path / "config"))
    await client.close()
