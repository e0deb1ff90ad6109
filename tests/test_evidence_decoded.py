"""What a UFDR's report says it decoded: kept as a second opinion, and held against what was read here."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from amparo.cli import main
from amparo.evidence.decoded import METHOD, decoded, moment
from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.link.reported import reported
from amparo.model import Account, AccountName, At, Message, Problem, Record, ReportCheck, Reported
from amparo.store import Case, Store

FOUND = Found("exhibit", "file", "report.xml", "content")
ANA, BEN = "34600000001@s.whatsapp.net", "34600000002@s.whatsapp.net"
GROUP = "34600000001-1600000000@g.us"
T0 = 1_700_000_000_000


def field(name: str, value: str) -> str:
    return f'<field name="{name}" type="String"><value type="String"><![CDATA[{value}]]></value></field>'


def message(sender: str, stamp: str, body: str, deleted: str = "Intact") -> str:
    return f"""<model type="InstantMessage" id="m" deleted_state="{deleted}" decoding_confidence="High">
      {field("Source", "WhatsApp")}{field("Body", body)}{field("TimeStamp", stamp)}
      <modelField name="From" type="Party"><model type="Party" id="p">
        {field("Identifier", sender)}{field("Name", "a name")}</model></modelField>
      <multiModelField name="Attachments" type="Attachment"><model type="Attachment" id="a">
        {field("Filename", "picture.jpg")}</model></multiModelField></model>"""


def contact(number: str, name: str) -> str:
    return f"""<model type="Contact" id="c" deleted_state="Intact" decoding_confidence="Medium">
      {field("Source", "WhatsApp")}{field("Name", name)}
      <multiModelField name="Entries" type="ContactEntry"><model type="PhoneNumber" id="n">
        {field("Category", "Mobile")}{field("Value", number)}</model></multiModelField></model>"""


def report(*messages: str, contacts: tuple[str, ...] = (), start: str = "") -> bytes:
    return f"""<?xml version="1.0" encoding="utf-8"?>{start}
<project id="x" xmlns="http://pa.cellebrite.com/report/2.0"><taggedFiles/>
<decodedData><modelType type="Chat"><model type="Chat" id="1" deleted_state="Intact">
  {field("Source", "WhatsApp")}{field("Id", GROUP)}
  <multiModelField name="Participants" type="Party"><model type="Party" id="q">
    {field("Identifier", ANA)}</model></multiModelField>
  <multiModelField name="Messages" type="InstantMessage">{"".join(messages)}</multiModelField>
</model></modelType><modelType type="Contact">{"".join(contacts)}</modelType></decodedData></project>
""".encode()


LINES = (
    message(ANA, "2023-11-14T22:13:20.000+00:00", "both have this"),
    message(ANA, "2023-11-14T23:14:20+01:00", "another reading & <markup>"),
    message(BEN, "2023-11-14T22:15:20+00:00", "only the report has this one", "Deleted"),
    message(BEN, "2023-11-14T22:16:20", "a stamp without a zone"),
)
CONTACTS = (contact("+34 600000002", "Ben"), contact("34600000009", "Nobody"))
WHOLE = report(*LINES, contacts=CONTACTS)


def read(data: bytes) -> tuple[list[Reported], list[str]]:
    told = list(decoded(Source.of_bytes(data), FOUND))
    return (
        [t for t in told if isinstance(t, Reported)],
        [t.reason for t in told if isinstance(t, Warn)],
    )


def test_each_decoded_thing_is_told_with_its_place_in_the_report() -> None:
    found, reasons = read(WHOLE)
    assert not reasons and len({one.id for one in found}) == 6
    assert [one.form for one in found] == ["message"] * 4 + ["contact"] * 2
    first, second, third, fourth, ben, _ = found
    assert (first.thread, first.account, first.service) == (GROUP, ANA, "WhatsApp")
    assert (first.text, first.time, first.deleted, first.sure) == (
        "both have this",
        T0,
        False,
        "High",
    )
    assert second.text == "another reading & <markup>" and second.time == T0 + 60_000
    assert third.deleted and fourth.time is None
    assert (ben.name, ben.account, ben.thread) == ("Ben", "+34 600000002", "")
    for one in found:
        assert one.at.state == "reported" and one.at.method == METHOD
        assert one.at.offset is not None and one.at.length
        part = WHOLE[one.at.offset :][: one.at.length]
        assert part.startswith(b"<model type=") and (one.text or one.name).encode() in part


def test_a_report_that_breaks_off_or_declares_entities_is_said() -> None:
    cut = WHOLE[: WHOLE.index(b"a stamp without")]
    found, reasons = read(cut)
    assert len(found) == 3 and len(reasons) == 1 and "up to 3 things" in reasons[0]
    bomb = report(*LINES, start='<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>')
    assert read(bomb) == ([], [])
    deep = b"<decodedData>" + b"<model>" * 100
    assert "nested without end" in read(deep)[1][0]


@pytest.mark.parametrize(
    "data", [b"", b"<", b"<a/>", b"\xff\xfe", b"<model type='Contact'/>", b"{}"]
)
def test_other_xml_is_no_report(data: bytes) -> None:
    assert read(data) == ([], [])


@pytest.mark.parametrize("text", ["", "x", "2023-13-01", "2023-01-01T00:00:00", "9" * 400])
def test_stamps_that_tell_no_moment(text: str) -> None:
    assert moment(text) is None


def test_the_report_is_held_against_what_was_read(tmp_path: Path) -> None:
    accounts = [
        Account(
            service="whatsapp", handle=h, form="phone", phone="+" + h.split("@")[0], country="ES"
        )
        for h in (ANA, BEN)
    ]

    def said(number: int, who: int, seconds: int, text: str) -> Message:
        return Message(
            at=At("exhibit", "db", "message", number), thread="t", key=f"K{number}",
            sender=accounts[who].id, from_owner=False, sent=T0 + 1000 * seconds, form="text", text=text,
        )  # fmt: skip

    here: list[Record] = [
        *accounts, said(1, 0, 0, "both have this"), said(2, 0, 60, "one reading"),
        AccountName(at=At("exhibit", "wa", "c", 1), account=accounts[1].id, name="Ben", source="contact"),
        *read(WHOLE)[0],
    ]  # fmt: skip
    with Store.create(tmp_path / "case.db") as store:
        store.put(here)
        told = list(reported(store))
        by_id = {r.id: r.text or r.name for r in read(WHOLE)[0]}
        checks = {by_id[c.reported]: c for c in told if isinstance(c, ReportCheck)}
        assert {text: c.verdict for text, c in checks.items()} == {
            "both have this": "same",
            "another reading & <markup>": "differs",
            "only the report has this one": "only there",
            "a stamp without a zone": "only there",
            "Ben": "same",
            "Nobody": "only there",
        }
        assert checks["another reading & <markup>"].detail == "read here: one reading"
        assert checks["another reading & <markup>"].subject == here[3].id
        reasons = sorted(p.reason[:42] for p in told if isinstance(p, Problem))
        assert reasons == [
            "1 contact in the report of the acquiring t",
            "1 message in the report of the acquiring t",
            "2 messages in the report of the acquiring ",
        ]
        assert [h.text for h in store.search("only report")] == [
            f"only the report has this one {BEN}"
        ]


def test_a_ufdr_goes_through_a_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(tmp_path / "phone.ufdr", "w") as made:
        made.writestr("report.xml", WHOLE)
    case = tmp_path / "a.amparo"
    assert main(["new", str(case)]) == 0
    assert main(["add", str(case), str(tmp_path / "phone.ufdr")]) == 0
    main(["run", str(case)])
    with Case.open(case) as opened:
        assert len(list(opened.store.each(Reported))) == 6
        assert not list(opened.store.each(Message)), "a report makes no messages"
        verdicts = [c.verdict for c in opened.store.each(ReportCheck)]
        assert verdicts == ["only there"] * 6
        reasons = [p.reason for p in opened.store.each(Problem) if p.plugin == "link/reported"]
        assert len(reasons) == 2
    capsys.readouterr()
    assert main(["find", str(case), "--text", "only the report"]) == 0
    assert "(reported)" in capsys.readouterr().out
