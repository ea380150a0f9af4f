"""Certificates of the loopback address, made by openssl."""

import shutil
import subprocess
from pathlib import Path

import pytest


def make_certificate(folder: Path, name: str = "localhost") -> Path:
    """Write tls.crt and tls.key for a name into a folder, as a mounted Secret has them; returns the folder."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("certificates are made by openssl, which is not here")
    folder.mkdir(exist_ok=True)
    key, certificate = str(folder / "tls.key"), str(folder / "tls.crt")
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", key, "-out", certificate]
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    return folder
