"""A set's entries are used as their own category allows, whichever way round 0 and 5 stand."""

import pytest

from amparo.match.categories import use_of


@pytest.mark.parametrize(
    ("use", "scheme", "code", "meant"),
    [
        ("alert", "VICS 2.0/US", "1", "alert"),
        ("alert", "VICS 2.0/US", "2", "alert"),
        ("alert", "VICS 2.0/US", "", "listed"),
        ("alert", "VICS 2.0/US", "0", "listed"),
        ("alert", "VICS 1.3", "5", "listed"),
        ("alert", "VICS 2.0/UK", "3", "alert"),
        ("ignore", "VICS 1.2", "1", "listed"),
        ("ignore", "VICS 1.2", "", "ignore"),
        ("alert", "", "", "alert"),
        ("ignore", "", "", "ignore"),
    ],
)
def test_use_of_an_entry(use: str, scheme: str, code: str, meant: str) -> None:
    assert use_of(use, scheme, code) == meant
