"""Tables that real files are like: each is written as a file, with what params.yaml would say of it."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROWS = 120


@dataclass(frozen=True)
class Own:
    """A table of one's own: `write` makes the file in a folder, `block` is what params.yaml says beyond the source."""

    name: str
    write: Callable[[Path], Path]
    block: dict[str, Any] = field(default_factory=dict)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def comma(value: float, digits: int = 2) -> str:
    """Return a number as it is written in German: 1.234,50."""
    return f"{value:,.{digits}f}".replace(",", " ").replace(".", ",").replace(" ", ".")


def text_file(name: str, lines: list[str], encoding: str = "utf-8", end: str = "\n") -> Callable[[Path], Path]:
    """Return a writer of a text file."""

    def write(folder: Path) -> Path:
        (folder / name).write_bytes(end.join([*lines, ""]).encode(encoding))
        return folder / name

    return write


def parquet(table: pd.DataFrame) -> Callable[[Path], Path]:
    """Return a writer of a Parquet file."""

    def write(folder: Path) -> Path:
        table.to_parquet(folder / "own.parquet")
        return folder / "own.parquet"

    return write


def german() -> list[str]:
    pay = rng().lognormal(7, 1, ROWS)
    towns = ["Köln", "Nürnberg", "Ürzig"]
    return ["Gehalt;Straße;Geburtstag;Raucher"] + [
        f"{comma(pay[i])};{towns[i % 3]};{i % 28 + 1:02}.{i % 12 + 1:02}.19{i % 60 + 30};{'ja' if i % 4 else 'nein'}"
        for i in range(ROWS)
    ]


def dates() -> list[str]:
    days = pd.Series(pd.date_range("2019-01-28", periods=ROWS, freq="37h"))
    forms = ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %b %Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%H:%M"]
    columns = [days.dt.strftime(form) for form in forms]
    return ["iso,german,american,named,moment,zulu,clock"] + [",".join(row) for row in zip(*columns, strict=True)]


def booleans() -> list[str]:
    rows = [f"{'TF'[i % 2]},{['yes', 'no'][i % 3 == 0]},{i % 2},{['true', 'false', ''][i % 3]}" for i in range(ROWS)]
    return ["letter,word,digit,truth", *rows]


def codes() -> list[str]:
    rows = [f"{i * 37 % 40:05},P{i * 7919 % 100_000:05},{i + 1},{'ab'[i % 2]}" for i in range(ROWS)]
    return ["zip,patient_id,row,group", *rows]


def gaps() -> list[str]:
    words = ["", "NA", "n/a", "NaN", "null"]
    rows = [f"{words[i % 5] if i % 4 == 0 else i},,{'None' if i % 2 else 'some'},7,-" for i in range(ROWS)]
    return ["number,empty,text,constant,dash", *rows]


def odd_names() -> list[str]:
    header = '"a b","say ""hi""","🙂",größe,Größe,"two\nlines","x,y"'
    return [header] + [f"{i % 7},{i % 3},{i % 5},{i % 2 + 0.5},{i},{i % 4},{i % 6}" for i in range(ROWS)]


def tails() -> pd.DataFrame:
    heavy = rng().pareto(1.0, ROWS * 3) * 1000
    spend = np.where(rng().random(ROWS * 3) < 0.6, 0.0, np.round(rng().lognormal(3, 1, ROWS * 3), 2))
    sign = np.where(np.arange(ROWS * 3) % 2, -0.0, 1.5)
    infinite = np.where(np.arange(ROWS * 3) % 50, rng().normal(size=ROWS * 3), np.inf)
    return pd.DataFrame({"heavy": heavy, "spend": spend, "sign": sign, "infinite": infinite})


def typed() -> pd.DataFrame:
    """Return a column of each type that Parquet knows and we learn."""
    at = np.arange(ROWS)
    days = pd.Series(pd.date_range("2024-01-01", periods=ROWS, freq="D"))
    return pd.DataFrame(
        {
            "wide": 2**53 + at * 3 + 1,
            "huge": pd.Series(2**63 + at.astype("uint64") % 7, dtype="uint64"),
            "tiny": (at % 100).astype("int8"),
            "half": (at % 9 / 8).astype("float32"),
            "gappy": pd.Series(at % 50, dtype="Int64").mask(pd.Series(at % 5 == 0)),
            "maybe": pd.Series(at % 2 == 0, dtype="boolean").mask(pd.Series(at % 5 == 0)),
            "zoned": days.dt.tz_localize("Europe/Berlin") + pd.to_timedelta(at, "h"),
            "day": days.dt.date,
            "factor": pd.Categorical(np.where(at % 3, "low", "high"), ["low", "high"], ordered=False),
            "blank": pd.Series(np.where(at % 3, "", "x"), dtype="str").mask(pd.Series(at % 10 == 0)),
            "nothing": pd.Series([None] * ROWS, dtype=object),
        }
    )


def workbook(folder: Path) -> Path:
    at = np.arange(ROWS)
    table = pd.DataFrame(
        {
            "seen": pd.date_range("2023-03-01", periods=ROWS, freq="D"),
            "dose": at % 8 / 4,
            "count": at % 6,
            "mixed": [i % 9 if i % 2 else f"level {i % 3}" for i in range(ROWS)],
            "flag": at % 3 == 0,
            "note": pd.Series(np.where(at % 4, "stable", "worse")),
        }
    )
    with pd.ExcelWriter(folder / "own.xlsx") as book:
        pd.DataFrame({"read": ["the next sheet"]}).to_excel(book, sheet_name="About", index=False)
        table.to_excel(book, sheet_name="Data", index=False)
    return folder / "own.xlsx"


def packed(folder: Path) -> Path:
    (folder / "own.csv.gz").write_bytes(gzip.compress("\n".join([*codes(), ""]).encode()))
    return folder / "own.csv.gz"


def export_of_a_ward() -> list[str]:
    """Remarks on top, a delimiter at the end of each line, lines of delimiters, keys named in German."""
    rows = [
        f"{70_000 + i * 3};{i % 28 + 1:02}.{i % 12 + 1:02}.2025;{comma(50 + i % 40, 1)};{i % 3};" for i in range(ROWS)
    ]
    return ["# Station 3", "", "Fallnr;Aufnahme;Gewicht;Stufe;", *rows, ";;;;", ";;;;"]


def amounts() -> list[str]:
    """Amounts with signs, times by twelve hours, dates as SAS has them, keys with a decimal point."""
    clocks = pd.Series(pd.date_range("2025-01-01", periods=ROWS, freq="433min"))
    dates = clocks.dt.strftime("%d%b%Y").str.upper()
    rows = zip(clocks.dt.strftime("%I:%M %p"), dates, strict=True)
    return ["pay,share,fee,clock,seen,person_id"] + [
        f'"${i * 37.5 + 900:,.2f}",{i % 50 / 2}%,{i % 90} €,{clock},{"." if i % 7 == 0 else seen},{50_000 + i * 11}.0'
        for i, (clock, seen) in enumerate(rows)
    ]


def headless() -> list[str]:
    return [f"{i % 60}.5, level{i % 3}, {1_000_000 + i * i}" for i in range(ROWS)]


def wide(columns: int) -> list[str]:
    numbers = rng().normal(size=(ROWS, columns)).round(3)
    return [",".join(f"gene {i}" for i in range(columns)), *(",".join(map(str, row)) for row in numbers.tolist())]


def levels(rows: int, count: int) -> pd.DataFrame:
    drawn = np.concatenate([np.arange(count), rng().integers(0, count, rows - count)])
    return pd.DataFrame(
        {"code": pd.Series(drawn).map("level {:x}".format).astype("str"), "value": rng().normal(size=rows)}
    )


def rules() -> list[str]:
    rows = []
    for i in range(ROWS * 3):
        rent, food = 400 + i % 90 * 10, 100 + i % 17 * 9
        city = ("Ulm", "Bonn", "Lyon")[i % 3]
        country = "FR" if city == "Lyon" else "DE"
        first, last = (pd.Timestamp("2020-01-01") + pd.Timedelta(days=i * 11 % 300 + stay) for stay in (0, i % 40))
        rows.append(f"{rent},{food},{rent + food},{first:%Y-%m-%d},{last:%Y-%m-%d},{city},{country},{i % 90}")
    return ["rent,food,total,admitted,discharged,city,country,age", *rows]


KEPT = ["total = rent + food", "admitted <= discharged", "0 <= age <= 120", {"together": ["city", "country"]}]
ALONE = {"unique": ["rent", "food", "age"]}

OWN = (
    Own("german", text_file("own.csv", german(), "cp1252", "\r\n"), {"target": "Raucher"}),
    Own("utf16", text_file("own.tsv", [line.replace(";", "\t") for line in german()], "utf-16")),
    Own("bom", text_file("own.csv", booleans(), "utf-8-sig"), {"target": "word"}),
    Own("pipes", text_file("own.txt", [line.replace(",", "|") for line in codes()]), {"target": "group"}),
    Own("dates", text_file("own.csv", dates())),
    Own("booleans", text_file("own.csv", booleans()), {"target": "digit"}),
    Own("codes", text_file("own.csv", codes()), {"class": "public"}),
    Own("gaps", text_file("own.csv", gaps())),
    Own("odd_names", text_file("own.csv", odd_names())),
    Own("tails", parquet(tails()), {"columns": {"infinite": {"infinite": "missing"}}}),
    Own("typed", parquet(typed())),
    Own("excel", workbook, {"read": {"sheet": "Data"}, "target": "note"}),
    Own("packed", packed, {"drop": ["row"]}),
    Own("headless", text_file("own.csv", headless()), {"read": {"header": False}}),
    Own("ward", text_file("own.csv", export_of_a_ward(), "latin-1"), {"read": {"skip": 2}}),
    Own("amounts", text_file("own.csv", amounts())),
    Own("wide", text_file("own.csv", wide(120))),
    Own("levels", parquet(levels(8_000, 3_000)), {"class": "public"}),
    Own("rules", text_file("own.csv", rules()), {"constraints": KEPT, "class": "public", "target": "city"}),
    Own("rules_confidential", text_file("own.csv", rules()), {"constraints": [*KEPT, ALONE]}),
)  # fmt: skip
