"""What disposal leaves at the place of what was disposed of, since something live has the same file."""

from pathlib import Path

from synthtrail.custody import digest
from synthtrail.handover.leftovers import clear


def written(path: Path, text: str) -> str:
    """Write a file; return its digest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return digest.file(path).sha256


def test_a_folder_of_nothing_but_spared_files_goes(tmp_path: Path) -> None:
    """With its folders below; so does a single file, and a place where nothing is left is no fault."""
    spared = {written(tmp_path / "curves/lost.csv", "0\n"), written(tmp_path / "curves/deep/one.csv", "1\n")}
    written(tmp_path / "metrics.json", "0\n")
    for name in ("curves", "metrics.json", "nothing"):
        clear(tmp_path / name, spared)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_any_other_file_is_left_alone(tmp_path: Path) -> None:
    """A file that nobody knows, or a link, keeps the whole folder as it is."""
    spared = {written(tmp_path / "curves/lost.csv", "0\n"), written(tmp_path / "linked/lost.csv", "0\n")}
    written(tmp_path / "curves/mine.csv", "kept\n")
    (tmp_path / "linked/link").symlink_to(tmp_path / "curves/lost.csv")
    (tmp_path / "away").symlink_to(tmp_path / "curves")
    for name in ("curves", "linked", "away"):
        clear(tmp_path / name, spared)
    assert sorted(path.name for path in tmp_path.rglob("*.csv")) == ["lost.csv", "lost.csv", "mine.csv"]
    assert (tmp_path / "away").is_symlink()
