"""Packages that are missing: who is told to install them, and when they are installed."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from localcluster.errors import LocalClusterError
from localcluster.programs import packages


def test_missing_packages_are_named_once_for_a_plain_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "program", lambda name: None)
    with pytest.raises(LocalClusterError) as error:
        packages.ensure_programs(["containerd", "ctr", "nft"], lambda _: None)
    assert "`apt-get install --yes --no-install-recommends containerd nftables`" in str(error.value)


def test_nothing_is_installed_where_all_programs_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "program", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(packages, "_apt", lambda command: pytest.fail(f"ran {command}"))
    packages.ensure_programs(packages.NODE_PROGRAMS, lambda _: None)


def test_processes_that_need_a_package_at_the_same_time_install_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []

    def apt(command: str) -> bool:
        time.sleep(0.05)
        installed.append(command)
        return True

    monkeypatch.setattr(packages, "program", lambda name: name if installed or name == "apt-get" else None)
    monkeypatch.setattr(packages, "_apt", apt)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: packages.ensure_programs(["nft"], lambda _: None), range(2)))
    assert len(installed) == 1
