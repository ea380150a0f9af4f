"""What an image is built anew for."""

from pathlib import Path

from localcluster.images import base


def test_context_digests_change_with_content_name_and_mode(tmp_path: Path) -> None:
    file = tmp_path / "app.py"
    file.write_text("1")
    seen = {tuple(base.context_digests(tmp_path))}
    file.write_text("2")
    seen.add(tuple(base.context_digests(tmp_path)))
    file.chmod(0o755)
    seen.add(tuple(base.context_digests(tmp_path)))
    file.rename(tmp_path / "main.py")
    seen.add(tuple(base.context_digests(tmp_path)))
    assert len(seen) == 4


def test_context_digests_ignore_what_python_and_git_leave(tmp_path: Path) -> None:
    before = list(base.context_digests(tmp_path))
    for folder in (".git", "__pycache__"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text("x")
    assert list(base.context_digests(tmp_path)) == before
