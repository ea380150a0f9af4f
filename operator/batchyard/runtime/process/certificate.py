"""The certificate of the web server, read anew when its files have changed.

The files are those of a mounted Secret of type kubernetes.io/tls, which the kubelet replaces when the Secret changes.
"""

import logging
import ssl
from pathlib import Path

_log = logging.getLogger(__name__)

FILES = ("tls.crt", "tls.key")


class CertificateError(Exception):
    """There is no usable certificate."""


class Certificate:
    """The certificate and key in a folder. Raises `CertificateError` if there are none, or none that fit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = self._state()
        self._context = self._load()

    def context(self) -> ssl.SSLContext:
        """What the next connection is to use. One that cannot be read leaves the one before in use."""
        if (state := self._state()) != self._seen:
            self._seen = state
            try:
                self._context = self._load()
                _log.info("The certificate in %s has changed, and is in use", self._folder)
            except CertificateError as error:
                _log.warning("The certificate has changed, and the one before stays in use: %s", error)
        return self._context

    def _state(self) -> list[tuple[int, int, int]]:
        """What changes with the files."""
        found = []
        for path in (self._folder / name for name in FILES):
            try:
                stat = path.stat()
                found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
            except OSError:
                found.append((0, 0, 0))
        return found

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key = (self._folder / name for name in FILES)
        try:
            context.load_cert_chain(certificate, key, password="")  # it would be asked for on the terminal
        except (OSError, ValueError) as error:
            raise CertificateError(
                f"cannot use {certificate} with {key}: {error}; the folder must hold both, as a Secret of type"
                " kubernetes.io/tls does"
            ) from error
        return context
