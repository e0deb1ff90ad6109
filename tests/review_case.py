"""A small invented case for tests of the desk: records put into a real store, drawn patterns as thumbnails."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw

from amparo.model import (
    Account,
    AccountName,
    Action,
    Activity,
    Alias,
    At,
    Attachment,
    Content,
    Exhibit,
    Exif,
    File,
    Fingerprint,
    KnownMatch,
    KnownSet,
    Lead,
    Media,
    Membership,
    MembershipEvent,
    Message,
    Position,
    Posting,
    Problem,
    Record,
    Resolution,
    Seal,
    StackMember,
    Tenure,
    Thread,
    ThreadInfo,
)
from amparo.store.case import Case

HOSTILE = "<script>alert(1)</script>\"'&\u202egpj.exe\u2066 {{7*7}}"
"""A name that breaks pages which trust it: markup, quotes, direction overrides, a template."""
START = 1_465_000_000_000
DAY = 86_400_000
COUNTRIES = (("ES", "34600"), ("CO", "57300"), ("IT", "39320"), ("BO", "59170"), ("PY", "59598"),
             ("CR", "50683"), ("CL", "56950"), ("AR", "54911"))  # fmt: skip


def pattern(number: int) -> bytes:
    """A benign picture: coloured shapes that differ by number."""
    chance = random.Random(number)
    image = Image.new("RGB", (160, 120), tuple(chance.randrange(40, 160) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(7):
        x, y, r = chance.randrange(160), chance.randrange(120), chance.randrange(8, 50)
        colour = tuple(chance.randrange(256) for _ in range(3))
        shape = draw.ellipse if chance.random() < 0.5 else draw.rectangle
        shape((x - r, y - r, x + r, y + r), fill=colour)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=60)
    return out.getvalue()


class Builder:
    """Collects the records of the case."""

    def __init__(self, seed: int = 1) -> None:
        self.chance = random.Random(seed)
        self.records: list[Record] = []
        self.thumbs: dict[str, bytes] = {}
        self.exhibits: list[Exhibit] = []
        self.databases: dict[str, File] = {}
        self.rows = 0

    def add(self, record: Record) -> Record:
        self.records.append(record)
        return record

    def at(self, exhibit: Exhibit, table: str, state: str = "live") -> At:
        self.rows += 1
        return At(exhibit.id, self.databases[exhibit.id].id, table, self.rows, state=state)

    def exhibit(self, number: int) -> None:
        country = COUNTRIES[number % len(COUNTRIES)][0]
        exhibit = Exhibit(
            number=f"{country}-{number + 1:02d}",
            country=country,
            site=f"Site {number // 2 + 1}",
            holder=f"Holder {number + 1}",
            form="zip",
            source=f"in/{number}.zip",
        )
        digest = hashlib.sha256(exhibit.number.encode()).hexdigest()
        seal = Seal(exhibit=exhibit.id, method="container", sha256=digest, files=200,
                    bytes=10_000_000, readings=2)  # fmt: skip
        database = File(
            exhibit=exhibit.id, path="data/com.whatsapp/databases/msgstore.db", size=81920
        )
        self.exhibits.append(exhibit)
        self.databases[exhibit.id] = database
        self.records += [exhibit, seal, database]

    def content(self, number: int, mime: str = "image/jpeg") -> Content:
        digest = hashlib.sha256(b"content %d" % number).hexdigest()
        content = Content(sha256=digest, sha1=digest[:40], md5=digest[:32], size=90_000 + number,
                          mime=mime)  # fmt: skip
        self.add(content)
        if mime.startswith("image/"):
            self.thumbs[digest] = pattern(number // 3)
            self.add(Media(content=content.id, format="JPEG", width=1600, height=1200))
        return content

    def account(self, number: int) -> tuple[Account, list[Record]]:
        country, prefix = COUNTRIES[number * 7 % len(COUNTRIES)]
        phone = f"+{prefix}555{number:03d}"
        account = Account(service="whatsapp", handle=f"{phone[1:]}@s.whatsapp.net", form="phone",
                          phone=phone, country=country)  # fmt: skip
        return account, [account]


def build(builder: Builder, exhibits: int, people: int, groups: int, stacks: int) -> None:
    """Fills a builder: groups with members who post pictures, some of which travel between groups."""
    chance = builder.chance
    for number in range(exhibits):
        builder.exhibit(number)
    accounts = [builder.account(n)[0] for n in range(people)]
    for number, account in enumerate(accounts):
        builder.add(account)
        builder.add(Resolution(form="account", source=account.id, canonical=account.id))
        name = HOSTILE if number == 1 else f"Token {number:03d}"
        where = builder.exhibits[number % exhibits]
        builder.add(AccountName(at=builder.at(where, "wa_contacts"), account=account.id, name=name,
                                source="contact"))  # fmt: skip
    lid = Account(service="whatsapp", handle="99900011122233@lid", form="lid")
    stated = Alias(at=builder.at(builder.exhibits[0], "jid_map"), account=lid.id,
                   other=accounts[0].id, basis="lid")  # fmt: skip
    builder.records += [
        lid,
        stated,
        Resolution(form="account", source=lid.id, canonical=accounts[0].id, basis=(stated.id,)),
    ]
    threads = []
    members: dict[str, list[Account]] = {}
    for number in range(groups):
        thread = Thread(service="whatsapp", handle=f"1203630{number:011d}@g.us", form="group")
        threads.append(thread)
        builder.add(thread)
        builder.add(Resolution(form="thread", source=thread.id, canonical=thread.id))
        some = chance.sample(accounts[: people // 4], 4) + chance.sample(accounts, people // 8)
        if number == 0:
            some = accounts[:2] + some
        members[thread.id] = some = list(dict.fromkeys(some))
        subject = HOSTILE if number == 1 else f"Group {number:02d} of the pines"
        for exhibit in chance.sample(builder.exhibits, min(exhibits, 1 + number % 4)):
            builder.add(ThreadInfo(at=builder.at(exhibit, "chat"), thread=thread.id, subject=subject,
                                   created=START + number * 9 * DAY, creator=some[0].id))  # fmt: skip
        for place, account in enumerate(some):
            since = START + number * 9 * DAY + place * DAY // 2
            present = chance.random() < 0.6
            until = None if present else since + chance.randrange(3, 60) * DAY
            role = "creator" if place == 0 else "admin" if place == 1 else "member"
            exhibit = builder.exhibits[place % exhibits]
            stated_member = Membership(at=builder.at(exhibit, "group_participant_user"),
                                       thread=thread.id, account=account.id, role=role)  # fmt: skip
            builder.records += [
                stated_member,
                Tenure(thread=thread.id, account=account.id, role=role, since=since, until=until,
                       present=present, exhibits=(exhibit.id,), basis=(stated_member.id,)),
                MembershipEvent(at=builder.at(exhibit, "message_system"), thread=thread.id,
                                event="joined_by_link" if place else "created",
                                account=account.id, time=since),
            ]  # fmt: skip
        if number:
            text = f"https://chat.whatsapp.com/AbC{number:05d}"
            message = say(builder, threads[number - 1], some[0], START + number * 9 * DAY, text)
            builder.add(Lead(at=message.at, form="whatsapp_invite", value=f"AbC{number:05d}",
                             message=message.id, thread=thread.id, account=some[0].id,
                             text=text))  # fmt: skip
    private = Thread(service="whatsapp", handle=f"{accounts[0].handle}|{accounts[1].handle}",
                     form="private")  # fmt: skip
    builder.add(private)
    pictures(builder, stacks)
    travel(builder, threads, members)
    for n, reason in enumerate(("page 3 is cut off", "not a JPEG after the header", HOSTILE)):
        exhibit = builder.exhibits[n % exhibits]
        builder.add(Problem(stage=("parse", "fingerprint", "evidence")[n], plugin="x/y",
                            subject=exhibit.id, exhibit=exhibit.id,
                            path=f"media/broken-{n}\\x80.jpg", reason=reason))  # fmt: skip


def say(builder: Builder, thread: Thread, sender: Account, time: int, text: str = "") -> Message:
    """One message as one exhibit holds it."""
    exhibit = builder.chance.choice(builder.exhibits)
    state = "deleted" if builder.rows % 17 == 0 else "live"
    message = Message(at=builder.at(exhibit, "message", state), thread=thread.id,
                      key=f"K{builder.rows:08X}", sender=sender.id, from_owner=False, sent=time,
                      form="text" if text else "image", text=text)  # fmt: skip
    builder.add(message)
    return message


def pictures(builder: Builder, stacks: int) -> None:
    """Stacks of one to three contents with files on one or more exhibits; some known."""
    chance = builder.chance
    alert = KnownSet(name="Alert list <b>", edition="e1", use="alert", scheme="VICS 2.0/US")
    ignore = KnownSet(name="System pictures", edition="e2", use="ignore")
    builder.records += [alert, ignore]
    for number in range(stacks):
        centre = None
        for copy in range(1 + (number % 5 == 0) + (number % 10 == 0)):
            content = builder.content(number * 3 + copy)
            centre = centre or content
            builder.records += [
                StackMember(content=content.id, stack=centre.id, distance=copy * 9, method="pdq"),
                Fingerprint(content=content.id, algorithm="pdq", value=bytes(32), quality=90),
            ]
            name = HOSTILE.replace("/", "") if number == 2 else f"IMG-2016{number:04d}-{copy}.jpg"
            for exhibit in chance.sample(builder.exhibits, 1 + number % 3):
                builder.add(File(exhibit=exhibit.id, path=f"media/{name}", size=content.size,
                                 modified=START + number * DAY // 5, content=content.id))  # fmt: skip
            if number % 9 == 4:
                builder.add(KnownMatch(content=content.id, known_set=ignore.id, algorithm="sha1",
                                       use="ignore"))  # fmt: skip
        assert centre is not None
        if number % 8 == 3:
            builder.add(KnownMatch(content=centre.id, known_set=alert.id, algorithm="sha256",
                                   use="alert", scheme="VICS 2.0/US", code="1"))  # fmt: skip
        if number % 4 == 1:
            builder.add(Exif(content=centre.id, make="Acme", model="Snap 3", serial=f"SN{number}",
                             taken="2016:06:04 12:00:00"))  # fmt: skip
            builder.add(Position(content=centre.id, method="exif", latitude=40.0, longitude=-3.5))
    builder.content(900_000, "video/mp4")


def travel(builder: Builder, threads: list[Thread], members: dict[str, list[Account]]) -> None:
    """Postings: every picture starts in one group and some go on to others."""
    chance = builder.chance
    contents = [r for r in builder.records if isinstance(r, Content) and r.mime == "image/jpeg"]
    tallies: dict[tuple[str, str], list[int]] = {}
    for content in contents[::2]:
        time = START + chance.randrange(200) * DAY
        for place in range(1, 2 + chance.randrange(4)):
            thread = chance.choice(threads)
            sender = chance.choice(members[thread.id][: 2 + chance.randrange(8)])
            time += chance.randrange(DAY)
            message = say(builder, thread, sender, time)
            attachment = Attachment(at=message.at, message=message.id, content=content.id,
                                    path="media/x.jpg", caption=f"no. {builder.rows}")  # fmt: skip
            builder.records += [
                attachment,
                Posting(content=content.id, thread=thread.id, key=message.key, account=sender.id,
                        time=time, place=place, first_in_network=place == 1,
                        first_in_thread=place < 3, forward_score=place - 1 or None,
                        exhibits=(message.at.exhibit,), basis=(attachment.id,)),
            ]  # fmt: skip
            for key in ((sender.id, thread.id), (sender.id, "")):
                row = tallies.setdefault(key, [0, 0, 0, time, time])
                row[0] += 1
                row[1] += place == 1
                row[2] += place == 2
                row[3], row[4] = min(row[3], time), max(row[4], time)
    for (account, thread_id), (postings, originated, carried, first, last) in tallies.items():
        builder.add(Activity(account=account, thread=thread_id, messages=postings * 2,
                             postings=postings, contents=postings, originated=originated,
                             first_in_thread=originated + carried, carried=carried,
                             threads=1, first=first, last=last))  # fmt: skip


def unique(records: Iterable[Record]) -> list[Record]:
    """One record an id; the latest of those that say the same."""
    return list({(r.KIND, r.id): r for r in records}.values())


def make_case(
    path: Path, exhibits: int = 4, people: int = 32, groups: int = 5, stacks: int = 60
) -> Case:
    """The case in a folder, open for writing."""
    case = Case.create(path, "Operation <Pines>", scheme="Triage 1")
    builder = Builder()
    build(builder, exhibits, people, groups, stacks)
    case.store.put(unique(builder.records), "test/build")
    case.thumbs.put_many(builder.thumbs.items())
    case.store.act(Action(kind="parse/whatsapp.android", version=1, performer="machine",
                          tool="amparo test", operation="collection",
                          isolation="landlock+seccomp", started=START, ended=START + 1500,
                          status="done", inputs=(builder.databases[builder.exhibits[0].id].id,),
                          outputs=len(builder.records)))  # fmt: skip
    return case
