"""The shell of every page for people: one file, style inside, no script, nothing fetched; light, dark, and on paper.

    shell("iris: Pass", "<h1>iris</h1>")  ->  "<!DOCTYPE html>…"

The style knows the classes that `synthtrail.evaluation.drawing` gives to its shapes. Text from data is escaped by
whoever puts it into the body.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

SIDES = {"real": "real (training)", "held": "real (holdout, never trained on)", "made": "synthetic"}
AGGREGATES = "The source is confidential: of its real records only groups of at least five are drawn."


def shell(title: str, body: str) -> str:
    """Return the page around `body`."""
    return template("page.html").substitute(title=escape(title), body=body)


@cache
def template(name: str) -> Template:
    """Return one of this package's templates."""
    return Template(files("synthtrail.evaluation").joinpath(name).read_text(encoding="utf-8"))


def section(name: str, title: str, lead: str, *parts: str) -> str:
    """Return a section that can be linked to as `#name`; nothing if there is nothing to show."""
    shown = "\n".join(part for part in parts if part)
    if not shown:
        return ""
    return f'<section id="{name}"><h2>{escape(title)}</h2>\n<p class="lead">{escape(lead)}</p>\n{shown}</section>\n'


def card(title: str, drawing: str, note: str = "", below: str = "") -> str:
    """Return one drawing under its title, with a `note` beside it and more HTML `below`."""
    beside = f'<span class="note">{escape(note)}</span>' if note else ""
    name = escape(title)
    return f'<div class="card"><h3><span title="{name}">{name}</span>{beside}</h3>{drawing}{below}</div>'


def grid(cards: Sequence[str], kind: str = "") -> str:
    """Return cards side by side; `kind` is `wide` or `third` for larger ones."""
    return f'<div class="grid {kind}">\n{"".join(cards)}\n</div>' if cards else ""


def legend(names: Mapping[str, str] = SIDES) -> str:
    """Return which colour is which."""
    return (
        '<ul class="legend">'
        + "".join(f'<li class="{key}">{escape(text)}</li>' for key, text in names.items())
        + "</ul>"
    )


def side_by_side(drawings: Mapping[str, str]) -> str:
    """Return drawings beside each other, each with its name below."""
    shown = (f"<div>{drawing}<small>{escape(name)}</small></div>" for name, drawing in drawings.items())
    return f'<div class="side">{"".join(shown)}</div>'


def menu(entries: Mapping[str, str]) -> str:
    """Return links to sections by name."""
    links = "".join(f'<a href="#{name}">{escape(text)}</a>' for name, text in entries.items())
    return f'<nav aria-label="Sections">{links}</nav>'
