"""Category schemes as data: a judgement is scheme + version + code, never a bare number.

Sources: Project VIC US categories as Autopsy and GLEAPP write them for VICS 2.0; the UK categories of
the 2014 sentencing guideline; the INTERPOL Baseline criteria page. The old DHS/ICE scheme swaps 0
and 5 against Project VIC and is therefore not offered.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Category:
    """One code of a scheme, the key that grades it and its tone on screen.

    ``tone`` is ``grave``, ``concern``, ``check`` or ``clear`` and picks a colour, nothing else.
    """

    code: str
    key: str
    name: str
    tone: str


@dataclass(frozen=True, slots=True)
class Scheme:
    """A category scheme with its version and region."""

    name: str
    version: str
    region: str
    categories: tuple[Category, ...]

    @property
    def title(self) -> str:
        """Scheme, version and region as one label."""
        region = f" {self.region}" if self.region else ""
        return f"{self.name}{region} {self.version}"

    def category(self, code: str) -> Category | None:
        """The category of a code, None when the scheme has no such code."""
        return next((c for c in self.categories if c.code == code), None)


SCHEMES: dict[str, Scheme] = {
    "triage": Scheme(
        "Triage",
        "1",
        "",
        (
            Category("1", "1", "Relevant", "grave"),
            Category("2", "2", "Check", "check"),
            Category("3", "3", "Irrelevant", "clear"),
        ),
    ),
    "project-vic-us": Scheme(
        "Project VIC",
        "2.0",
        "US",
        (
            Category("0", "0", "Non-Pertinent", "clear"),
            Category("1", "1", "Child Abuse Material", "grave"),
            Category("2", "2", "Child Exploitive / Age Difficult", "concern"),
            Category("3", "3", "CGI / Animation", "concern"),
            Category("4", "4", "Comparison", "check"),
            Category("5", "5", "Uncategorized", "check"),
        ),
    ),
    "uk": Scheme(
        "UK",
        "2014",
        "UK",
        (
            Category("A", "1", "Category A", "grave"),
            Category("B", "2", "Category B", "grave"),
            Category("C", "3", "Category C", "concern"),
            Category("NP", "4", "Not pertinent", "clear"),
        ),
    ),
    "interpol-baseline": Scheme(
        "INTERPOL Baseline",
        "1",
        "",
        (
            Category("baseline", "1", "Baseline", "grave"),
            Category("not-baseline", "2", "Not baseline", "concern"),
            Category("not-pertinent", "3", "Not pertinent", "clear"),
        ),
    ),
}
"""Schemes by the short name that ``case.toml`` may give."""


def find_scheme(name: str) -> Scheme:
    """The scheme a case names, by short name or by title in any case; Triage for "".

    Raises ValueError for a name that is not known: grading under a guessed scheme is refused.
    """
    wanted = name.strip().casefold()
    if not wanted:
        return SCHEMES["triage"]
    for short, scheme in SCHEMES.items():
        if wanted in (
            short,
            scheme.title.casefold(),
            f"{scheme.name} {scheme.version}".casefold(),
            scheme.name.casefold(),
        ):
            return scheme
    raise ValueError(f"no category scheme is called {name!r}; known: {', '.join(SCHEMES)}")


def category(scheme: str, version: str, code: str) -> Category | None:
    """The category of a stored judgement; None where the scheme is not one of ours."""
    for known in SCHEMES.values():
        if (known.name, known.version) == (scheme, version):
            return known.category(code)
    return None


def label(scheme: str, version: str, code: str) -> str:
    """A judgement in words with its scheme, as ``Relevant (Triage 1: 1)``; "" for code ""."""
    if not code:
        return ""
    known = category(scheme, version, code)
    if known is None:
        return f"{code} ({scheme} {version})"
    return f"{known.name} ({scheme} {version}: {code})"


def scheme_title(scheme: str, version: str) -> str:
    """Scheme, version and region as one label, also of a scheme that is not one of ours."""
    for known in SCHEMES.values():
        if (known.name, known.version) == (scheme, version):
            return known.title
    return f"{scheme} {version}".strip()


def tone(scheme: str, version: str, code: str) -> str:
    """The colour word of a judgement; "" for none."""
    known = category(scheme, version, code) if code else None
    return known.tone if known is not None else ""
