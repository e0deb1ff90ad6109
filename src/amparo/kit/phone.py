"""Phone numbers: E.164 and the country that numbers them, as national numbering plans say.

The *numbering* country is not where a person is: phones roam and numbers are rented. Facts about the
messenger's own forms of numbers:

* Mexico: accounts made before 2019 carry a 1 after the 52 that no longer exists; it is taken out.
* Brazil: accounts keep the eight-digit mobile number of before the ninth digit; it is left as it is
  (adding a 9 would claim another account) and marked.
* Argentina: mobiles are +54 9 …; one written without the 9 reads as a landline; left and marked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers

_SHAPE = re.compile(r"[1-9][0-9]{6,14}")
_AREA_ONLY = "2345678"


@dataclass(frozen=True, slots=True)
class Number:
    """A number in E.164 with its numbering country (ISO 3166 alpha-2, "" where not decidable)."""

    e164: str
    country: str
    candidates: tuple[str, ...]
    """Every country that shares the calling code."""
    valid: bool
    """Whether the numbering plan has such a number."""
    mark: str = ""
    """``mx_old_1``, ``br_no_ninth`` or ``ar_no_9`` where the messenger's form differs from the plan's."""


@lru_cache(maxsize=1 << 17)
def number(digits: str) -> Number | None:
    """The number behind international digits, with or without ``+``; None where they are none."""
    digits = digits.removeprefix("+")
    if not _SHAPE.fullmatch(digits):
        return None
    digits, mark = _normal(digits)
    try:
        parsed = phonenumbers.parse("+" + digits, None)
    except phonenumbers.NumberParseException:
        return None
    codes = phonenumbers.region_codes_for_country_code(parsed.country_code or 0)
    return Number(
        e164="+" + digits,
        country=_country(parsed, digits, codes),
        candidates=tuple(c for c in codes if c != "001"),
        valid=phonenumbers.is_valid_number(parsed),
        mark=mark,
    )


def _normal(digits: str) -> tuple[str, str]:
    if digits.startswith("521") and len(digits) == 13:
        return "52" + digits[3:], "mx_old_1"
    if digits.startswith("55") and len(digits) == 12 and digits[4] in "6789":
        return digits, "br_no_ninth"
    if digits.startswith("54") and len(digits) == 12:
        return digits, "ar_no_9"
    return digits, ""


def _country(
    parsed: phonenumbers.PhoneNumber, digits: str, codes: list[str] | tuple[str, ...]
) -> str:
    region = phonenumbers.region_code_for_number(parsed)
    if region is None and parsed.country_code == 1:
        # Shared by 25 countries: the area code decides, whatever the rest of the number.
        area = phonenumbers.parse(f"+{digits[:4]}{_AREA_ONLY}", None)
        region = phonenumbers.region_code_for_number(area)
    elif region is None and codes:
        # A number the plan does not have: the country that runs the plan is listed first.
        region = codes[0]
    return "" if region in (None, "001", "ZZ") else str(region)
