"""Run by the interpreter that has roc-validator: validate a crate without a network, and write what it finds as JSON.

    python roc_validate.py CRATE PROFILE CONTEXT.json FINDINGS.json

roc-validator fetches the JSON-LD contexts that a crate names; here those are answered with the file given, and nothing
else is. That needs a process of its own.
"""

import io
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

import requests
from rocrate_validator import models, services


class Answer(io.BytesIO):
    """The file as rdflib, which asks through urllib, and roc-validator, which asks through requests, want it."""

    status = status_code = 200
    headers = {"Content-Type": "application/ld+json"}  # noqa: RUF012  (a stub)
    ok = True
    url = ""

    def info(self) -> dict[str, str]:
        return self.headers

    def geturl(self) -> str:
        return self.url

    def raise_for_status(self) -> None:
        """There is nothing to raise."""

    @property
    def content(self) -> bytes:
        return self.getvalue()

    @property
    def text(self) -> str:
        return self.getvalue().decode()

    def json(self) -> Any:
        return json.loads(self.getvalue())


def main() -> None:
    crate, profile, context, target = sys.argv[1:]
    data = Path(context).read_bytes()

    def answer(asked: Any, *_: Any, **__: Any) -> Answer:
        url = asked if isinstance(asked, str) else asked.full_url
        if "/context" not in url:
            raise OSError(f"no network: {url}")
        found = Answer(data)
        found.url = url
        return found

    requests.Session.request = lambda _session, _method, url, **_: answer(url)  # type: ignore[assignment, method-assign]
    urllib.request.urlopen = answer  # type: ignore[assignment]
    settings = models.ValidationSettings(
        rocrate_uri=crate,
        profile_identifier=profile,
        requirement_severity=models.Severity.RECOMMENDED,
        skip_availability_check=True,
        no_cache=True,
    )
    result = services.validate(settings)
    found = [[issue.severity.name, issue.check.identifier, issue.message] for issue in result.get_issues()]
    Path(target).write_text(json.dumps({"checks": len(result.executed_checks), "issues": found}), encoding="utf-8")


if __name__ == "__main__":
    main()
