"""A file server on a bad day: of each file, it refuses the first request and breaks the second one off."""

from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path("/files")
PORT = 8080

asked: Counter[str] = Counter()


class Handler(BaseHTTPRequestHandler):
    """Answers GET requests."""

    def do_GET(self) -> None:
        """Send the file, unless it is too early for that."""
        file = FOLDER / Path(self.path).name
        if not file.is_file():
            self.send_error(404)
            return
        asked[file.name] += 1
        if asked[file.name] == 1:
            self.send_error(503)
            return
        body = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if asked[file.name] == 2 else body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", PORT), Handler).serve_forever()
