"""Download a file and check it. The exit code says whether it is worth trying again."""

import sys
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

NO_SUCH_INPUT = 66
TRY_AGAIN = 75
TOO_MANY_REQUESTS = 429


def fail(exit_code: int, message: str) -> None:
    """End; Kubernetes shows the termination message, and Batchyard the attempt with it."""
    Path("/dev/termination-log").write_text(message, encoding="utf-8")
    sys.exit(exit_code)


def download(url: str) -> bytes:
    """The whole file, or the end of the program."""
    try:
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - the URL is the job's parameter
            body: bytes = answer.read()
            return body
    except HTTPError as error:
        busy = error.code >= 500 or error.code == TOO_MANY_REQUESTS
        fail(TRY_AGAIN if busy else NO_SUCH_INPUT, f"the server says {error.code} {error.reason}")
    except (HTTPException, OSError) as error:
        fail(TRY_AGAIN, f"no complete answer: {error}")
    raise AssertionError("fail() does not return")


def main(url: str, digest: str) -> None:
    """Download the file and compare it with its SHA-256 sum."""
    body = download(url)
    found = sha256(body).hexdigest()
    if found != digest:
        fail(NO_SUCH_INPUT, f"another file than expected: SHA-256 {found}")
    print(f"{url}: {len(body)} bytes, {len(body.splitlines())} lines, SHA-256 as expected")


if __name__ == "__main__":
    main(*sys.argv[1:])
