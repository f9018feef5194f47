"""The tree in the docstring is the tree in the code, and the worked examples of this layer run."""

import copy
import doctest
import importlib
import re

import pytest

from synthtrail.custody import errors
from synthtrail.custody.errors import CustodyError, DataError, FormatError, LedgerError, UsageError

MODULES = ["canonical", "cosignature", "digest", "dsse", "ed25519", "errors", "merkle", "note", "tiles", "tlogproof"]


@pytest.mark.parametrize("name", MODULES)
def test_the_worked_examples_hold(name: str) -> None:
    module = importlib.import_module(f"synthtrail.custody.{name}")
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0


def test_the_tree_drawn_is_the_tree_defined() -> None:
    drawn = set(re.findall(r"\b[A-Z][A-Za-z]+Error\b", errors.__doc__ or ""))
    defined = {name for name, item in vars(errors).items() if isinstance(item, type)}
    assert drawn == defined


def test_faults_of_caller_data_and_ledger_are_disjoint() -> None:
    for one, other in [(UsageError, DataError), (UsageError, LedgerError), (DataError, LedgerError)]:
        assert not issubclass(one, other)
        assert not issubclass(other, one)
    assert not issubclass(CustodyError, SystemExit)


def kinds(base: type[DataError]) -> list[type[DataError]]:
    return [base, *(kind for child in base.__subclasses__() for kind in kinds(child))]


def test_each_kind_of_data_error_has_its_own_code() -> None:
    codes = [kind.code for kind in kinds(DataError) if kind.__module__ == errors.__name__]
    assert len(set(codes)) == len(codes) > 1


def test_an_error_survives_the_way_between_processes() -> None:
    """Workers that verify in parallel hand their refusals back; copying goes by the same protocol."""
    found = copy.copy(FormatError("no", code="depth"))
    assert (str(found), found.code) == ("no", "depth")
