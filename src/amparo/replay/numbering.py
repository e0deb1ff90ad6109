"""Phone numbers that reach nobody, for each country of the operation.

Where a country reserves numbers for fiction they are used; elsewhere the national part starts
with digits the numbering plan does not allocate, so that the number parses (right country code,
possible length) and is invalid.

| country | range | why it is safe |
|---|---|---|
| US, CA | +1 AAA 555 0100..0199, AAA a real area code | reserved for fiction (NANPA) |
| GB | +44 7700 900000..900999 | reserved for drama (Ofcom) |
| AU | +61 491 570 000..999 | reserved for creative works (ACMA) |
| KZ | +7 799 000 xxxx | 799 is not allocated; shares +7 with Russia |
| others | see `_PLAN` | leading digits that no plan allocates |
"""

from dataclasses import dataclass

_US = ("202", "212", "303", "312", "404", "415", "503", "512", "602", "617", "702", "713")
_CA = ("204", "250", "306", "403", "416", "418", "506", "514", "604", "613", "705", "780")

# country -> (calling code, national number written with a %d for the index)
_PLAN: dict[str, tuple[str, str]] = {
    "ES": ("34", "200%06d"),
    "CO": ("57", "200%07d"),
    "IT": ("39", "290%07d"),
    "BO": ("591", "1%07d"),
    "DE": ("49", "1110%07d"),
    "CR": ("506", "1%07d"),
    "PY": ("595", "190%06d"),
    "CL": ("56", "100%06d"),
    "SV": ("503", "3%07d"),
    "PT": ("351", "400%06d"),
    "MX": ("52", "100%07d"),
    "BR": ("55", "1010%06d"),
    "AR": ("54", "100%07d"),
    "KZ": ("7", "799%07d"),
    "GB": ("44", "7700900%03d"),
    "AU": ("61", "491570%03d"),
}


@dataclass(frozen=True, slots=True)
class Number:
    """A phone number as calling code and national digits."""

    country: str
    calling_code: str
    national: str

    @property
    def digits(self) -> str:
        """All digits without the plus, as WhatsApp writes them."""
        return self.calling_code + self.national


def number(country: str, index: int) -> Number:
    """The `index`-th (from 0) safe number of a country; at most 1000 (1200 in US and CA)."""
    if country in ("US", "CA"):
        areas = _US if country == "US" else _CA
        return Number(country, "1", f"{areas[index // 100]}55501{index % 100:02d}")
    code, pattern = _PLAN[country]
    if index >= 1000:
        raise ValueError(f"no more safe numbers for {country}")
    return Number(country, code, pattern % index)
