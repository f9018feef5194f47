"""A small made-up hospital in three tables: patients, their stays, and what was given during each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TABLES: dict[str, Any] = {
    "patients": {"key": "patient_id"},
    "stays": {"key": "stay_id", "parent": "patients", "order": "admitted"},
    "drugs": {"parent": "stays", "order": "given"},
}
DRUGS = ("aspirin", "heparin", "insulin", "zopiclone")
FOLLOWS = {"aspirin": "heparin", "heparin": "insulin", "insulin": "aspirin", "zopiclone": "zopiclone"}


def frames(patients: int = 80, seed: int = 3) -> dict[str, pd.DataFrame]:
    """Return the tables: drugs mostly follow one another in a circle, the old have longer stays, some have no stay."""
    rng = np.random.default_rng(seed)
    people: list[tuple[Any, ...]] = []
    stays: list[tuple[Any, ...]] = []
    drugs: list[tuple[Any, ...]] = []
    for number in range(patients):
        born = pd.Timestamp("1930-01-01") + pd.Timedelta(days=int(rng.integers(0, 25_000)))
        person = f"P{1000 + number * 7}"
        people.append((person, "fm"[number % 2], born))
        admitted = pd.Timestamp("2020-01-01 08:00") + pd.Timedelta(hours=int(rng.integers(0, 20_000)))
        for _ in range(int(rng.integers(0, 4))):
            old = born.year < 1960
            stay = 40_000 + len(stays) * 3
            days = int(rng.integers(6, 14) if old else rng.integers(1, 5))
            discharged = admitted + pd.Timedelta(days=days, hours=3)
            died = discharged if rng.random() < 0.2 else pd.NaT
            stays.append((stay, person, admitted, discharged, died, "AB"[int(rng.random() < 0.3)]))
            drugs += given(rng, stay, person, admitted, days)
            admitted = discharged + pd.Timedelta(days=int(rng.integers(20, 200)))
    return {
        "patients": pd.DataFrame(people, columns=["patient_id", "sex", "born"]),
        "stays": pd.DataFrame(stays, columns=["stay_id", "patient_id", "admitted", "discharged", "died", "ward"]),
        "drugs": pd.DataFrame(drugs, columns=["stay_id", "patient_id", "given", "drug", "dose"]),
    }


def given(rng: np.random.Generator, stay: int, person: str, admitted: pd.Timestamp, days: int) -> list[tuple[Any, ...]]:
    """Return what was given during a stay, in the order of time."""
    drug, at, found = DRUGS[int(rng.integers(0, 4))], admitted, []
    for _ in range(int(rng.integers(0, 7))):
        at = at + pd.Timedelta(minutes=int(rng.integers(0, days * 200)))
        found.append((stay, person, at, drug, round(float(rng.gamma(2, 5)), 1)))
        drug = FOLLOWS[drug] if rng.random() < 0.9 else DRUGS[int(rng.integers(0, 4))]
    return found


def write(folder: Path, tables: Mapping[str, pd.DataFrame] | None = None) -> Path:
    """Write each table as CSV into `folder`, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (tables or frames()).items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder
