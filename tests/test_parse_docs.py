"""The page on adding a parser is run as it stands."""

import re
import sys
import types
from pathlib import Path

import pytest

from amparo.kit.plugin import Spec
from amparo.model import Record
from amparo.sandbox.wire import encode_record

PAGE = Path(__file__).parent.parent / "docs" / "add-a-parser.md"


def blocks() -> dict[str, str]:
    """Code of the page by the file it is said to be."""
    found = re.findall(
        r"^## [^\n]*`((?:src|tests)/[^`]+)`\n\n```python\n(.*?)^```", PAGE.read_text(), re.M | re.S
    )
    return dict(found)


def module(name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    made = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, made)
    exec(compile(code, name, "exec"), made.__dict__)  # noqa: S102
    return made


def test_the_example_works_as_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    parser_path, test_path = blocks()
    assert (parser_path, test_path) == (
        "src/amparo/parse/android_sms.py",
        "tests/test_parse_android_sms.py",
    )
    parser = module("amparo.parse.android_sms", blocks()[parser_path], monkeypatch)
    spec = parser.android_sms.spec
    assert isinstance(spec, Spec) and spec.opens == "sqlite" and spec.id == "parse/android_sms"
    assert spec.fits(
        "application/vnd.sqlite3",
        "x",
        frozenset({"sms.address", "sms.date", "sms.body", "sms.type"}),
    )
    tests = module("test_parse_android_sms", blocks()[test_path], monkeypatch)
    ran = [getattr(tests, name)() for name in dir(tests) if name.startswith("test_")]
    assert len(ran) == 1


def test_the_example_crosses_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    from parsing import parse

    parser = module(
        "amparo.parse.android_sms", blocks()["src/amparo/parse/android_sms.py"], monkeypatch
    )
    tests = module(
        "test_parse_android_sms", blocks()["tests/test_parse_android_sms.py"], monkeypatch
    )
    records = parse(parser.android_sms, tests.SMS).records
    assert len(records) == 10
    for record in records:
        assert isinstance(record, Record) and encode_record(record)


def test_the_example_is_as_short_as_promised() -> None:
    parser, test = (code.strip().splitlines() for code in blocks().values())
    assert len(parser) <= 50 and len(test) <= 22
