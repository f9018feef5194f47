"""Texts that look as if they identify a person, which have no place in a ledger that keeps them for ever.

HIPAA names 18 kinds of identifiers (45 CFR 164.514(b)(2)(i)). Those with a form of their own are looked for in what
people write: reasons, notes, purposes, terms (fields of kind *prose*). Names, faces and places smaller than a state
have none; they are left to the person who signs. Digests, key names, paths and times are not prose, and the patterns
pass over them all the same.

Patterns are ASCII, count nothing but ASCII, have no loop without a bound in another, and mean the same to Python's
`re` (with `re.ASCII`) and to JavaScript. A pattern listed with `i` does not regard case.

    >>> looks_like("fit for teaching"), looks_like("ask ada@example.org")
    ('', 'an e-mail address')
    >>> looks_like("call +43 1 58801 0"), looks_like("her SSN is 078-05-1120")
    ('a telephone or fax number', 'a social security number')
"""

import re
from functools import cache
from typing import NamedTuple


class Pattern(NamedTuple):
    """What a match looks like, in words; a regular expression; `i` if case does not count."""

    words: str
    expression: str
    flags: str = ""


_OWNER = r"patient|medical record|health (?:plan|insurance)|beneficiary|member|account|licen[cs]e|serial|device|policy"

PATTERNS: tuple[Pattern, ...] = (
    Pattern("an e-mail address", r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}\.[A-Za-z0-9]"),
    Pattern("a telephone or fax number", r"(?<![\w+/=.-])\+[1-9](?:[ ./()-]{0,2}\d){6,14}(?![\w+])"),
    Pattern("a telephone or fax number", r"(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}(?![\w-])"),
    Pattern(
        "a telephone or fax number",
        r"\b(?:tel|phone|fax|mobile)\b[.:]?(?: no\.?| number)?:? ?\d[\d ()/.-]{4,20}\d",
        "i",
    ),
    Pattern("a social security number", r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"),
    Pattern("a record, account or serial number", r"\bMRN\b[ -/:-@]{0,3}\w{0,9}\d{3}", "i"),
    Pattern(
        "a record, account or serial number",
        rf"\b(?:{_OWNER})(?:'s)? (?:id|no|nr|number|#)\b[.:#]{{0,2}} ?(?:is )?[A-Z-]{{0,4}}\d{{3}}",
        "i",
    ),
    Pattern("a bank account number", r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[0-9A-Z]{4}){3,7}(?: ?[0-9A-Z]{1,3})?(?![\w-])"),
    Pattern("a payment card number", r"(?<![\w-])\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?![\w-])"),
    Pattern("a vehicle identification number", r"(?<![\w-])(?=[0-9]*[A-Z])[A-HJ-NPR-Z0-9]{13}\d{4}(?![\w-])"),
    Pattern(
        "a device's network address", r"(?<![\w:-])(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?![\w:-])", "i"
    ),
    Pattern(
        "an IP address", r"(?<![\w.-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w-]|\.\d)"
    ),
    Pattern(
        "an IP address", r"(?<![\w:])(?:(?:[0-9a-f]{1,4}:){7}|(?:[0-9a-f]{1,4}:){1,6}:)[0-9a-f]{1,4}(?![\w:])", "i"
    ),
    Pattern(
        "a personal web address",
        r"\bhttps?://(?:[\w.:%+-]{0,99}@|[\w.:%+~@/-]{0,99}(?:\?|/~|/(?:users?|people|persons?|patients?|profiles?|in)/))",
        "i",
    ),
    Pattern(
        "a date in somebody's life",
        r"\b(?:born|dob|birth ?day|(?:date|day) of (?:birth|death)|died|admitted|discharged)\b"
        r"[ -/:-~]{0,12}\d{1,4}[-./ ]\d{1,2}[-./ ]\d{1,4}",
        "i",
    ),
    Pattern("a postal code", r"(?<![\w-])\d{5}-\d{4}(?![\w-])"),
)


def looks_like(text: str) -> str:
    """What in `text` looks like an identifier, in words that do not repeat it; empty if nothing does."""
    return next((words for words, pattern in _compiled() if pattern.search(text)), "")


@cache
def _compiled() -> tuple[tuple[str, re.Pattern[str]], ...]:
    case = {"": re.ASCII, "i": re.ASCII | re.IGNORECASE}
    return tuple((item.words, re.compile(item.expression, case[item.flags])) for item in PATTERNS)


def markdown() -> str:
    """The table of patterns, as it is printed in the ledger's specification."""
    rows = ["| looks like | expression | case |", "|---|---|---|"]
    for item in PATTERNS:
        written = item.expression.replace("|", "\\|")
        rows.append(f"| {item.words} | `{written}` | {'any' if item.flags else 'as written'} |")
    return "\n".join(rows) + "\n"
