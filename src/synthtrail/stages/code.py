"""Which commit of the code is at work, as git tells it."""

import subprocess
from functools import cache


@cache
def git_state() -> dict[str, str]:
    """Return the commit, and whether files that git tracks differ from it; nothing outside a repository."""
    commit = git("rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        return {}
    return {"git.commit": commit, "git.modified": "yes" if git("status", "--porcelain", "-uno") else "no"}


def git(*arguments: str) -> str:
    """Return what git prints, empty if it fails."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
