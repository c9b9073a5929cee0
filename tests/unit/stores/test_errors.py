"""SQLite's errors in words that a person can act on."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.model.errors import ChainBrokenError, InvalidRequestError, Next, StoreError
from reconciler.stores._errors import MEANINGS, explain, explained

PATH = Path("/state/log.db")


def _error(code):
    error = sqlite3.OperationalError("disk said no")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize("code", MEANINGS)
def test_each_names_the_file_what_happened_and_what_to_do(code):
    explanation = explain(_error(code), PATH)
    assert str(PATH) in explanation.message
    assert explanation.hint
    assert explanation.reason != StoreError.reason


def test_extended_codes_mean_what_their_primary_means():
    assert explain(_error(sqlite3.SQLITE_IOERR_WRITE), PATH).reason == "DiskFailed"
    assert explain(_error(sqlite3.SQLITE_BUSY_SNAPSHOT), PATH).next is Next.TRANSIENT


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB])
def test_a_damaged_file_is_a_broken_chain(code):
    assert isinstance(explain(_error(code), PATH), ChainBrokenError)


def test_an_unknown_error_is_still_a_store_error():
    assert explain(sqlite3.ProgrammingError("closed"), PATH).reason == "StoreFailed"


@pytest.mark.parametrize("value", ["\udcff", 2**70])
def test_a_value_no_column_holds_is_the_callers_fault(value):
    with closing(sqlite3.connect(":memory:")) as db, pytest.raises(InvalidRequestError), explained(PATH):
        db.execute("SELECT ?", (value,))
