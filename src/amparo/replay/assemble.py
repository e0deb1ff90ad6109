"""Puts the truth together from the ledgers of all exhibits.

Ledgers are streamed into a staging database that is thrown away; the truth is then a handful of
unions over it, so memory stays flat however large the operation.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from amparo.replay.truth import TABLES

STAGE = """
CREATE TABLE stage.handle(exhibit, handle);
CREATE TABLE stage.lid(exhibit, lid, phone);
CREATE TABLE stage.number(jid PRIMARY KEY, country);
CREATE TABLE stage.contact(exhibit, jid, display_name, push_name);
CREATE TABLE stage.grp(exhibit, jid, subject, created_ms, as_of);
CREATE TABLE stage.seat(exhibit, grp, handle, rank, as_of);
CREATE TABLE stage.event(exhibit, grp, kind, handle, actor, at_ms, value);
CREATE TABLE stage.message(exhibit, grp, key_id, sender, server_ms, kind, text, revoked, edited, score);
CREATE TABLE stage.posting(exhibit, grp, key_id, sender, server_ms, sha256);
CREATE TABLE stage.content(exhibit, sha256, sha1, md5, size, original_id, variant, scene, series,
  serial, exif, known);
CREATE TABLE stage.capture(exhibit, sha256, taken_local, utc_offset, latitude, longitude, has_refs);
CREATE TABLE stage.file(exhibit, path, sha256, size);
CREATE TABLE stage.invite(exhibit, code, grp, found_in, key_id, sender, server_ms, how, path);
CREATE TABLE stage.erased_file(exhibit, path, sha256);
CREATE TABLE stage.erased_message(exhibit, key_id, grp, row, text, erased_ms);
CREATE TABLE stage.trace(exhibit, key_id, grp, place);
CREATE TABLE stage.former(exhibit, key_id, grp, text, place);
CREATE TABLE stage.wording(exhibit, grp, key_id, text, row);
CREATE TABLE stage.left_over(exhibit, key_id, sha256);
CREATE TABLE stage.erased_posting(exhibit, sha256, grp, key_id);
CREATE TABLE stage.opened(exhibit, path, sha256);
CREATE TABLE stage.figure(exhibit, path, label, value);
"""

_CANON = """
CREATE TABLE stage.canon(handle PRIMARY KEY, name);
INSERT INTO stage.canon SELECT lid, coalesce(max(phone), lid) FROM stage.lid GROUP BY lid;
INSERT OR IGNORE INTO stage.canon SELECT DISTINCT handle, handle FROM stage.handle;
INSERT OR IGNORE INTO stage.canon SELECT jid, jid FROM stage.number;
CREATE INDEX stage.message_key ON message(grp, key_id, exhibit);
CREATE INDEX stage.posting_key ON posting(sha256, grp, key_id, exhibit);
CREATE INDEX stage.event_key ON event(grp, kind, handle, at_ms, exhibit);
"""

# Each statement fills one truth table. Ordered subqueries make group_concat sorted.
_FILL = """
INSERT INTO posting
SELECT sha256, grp, key_id, sender, server_ms,
  row_number() OVER network, row_number() OVER network = 1, row_number() OVER inside = 1, exhibits
FROM (SELECT sha256, grp, key_id, name AS sender, server_ms, group_concat(exhibit) AS exhibits
      FROM (SELECT p.*, c.name FROM stage.posting p JOIN stage.canon c ON c.handle = p.sender
            ORDER BY sha256, grp, key_id, exhibit)
      GROUP BY sha256, grp, key_id)
WINDOW network AS (PARTITION BY sha256 ORDER BY server_ms, key_id),
       inside AS (PARTITION BY sha256, grp ORDER BY server_ms, key_id)
ORDER BY sha256, server_ms, key_id;

INSERT INTO poster
SELECT sender, count(*), count(DISTINCT sha256),
  count(DISTINCT CASE WHEN grp NOT LIKE 'private:%' THEN grp END), sum(first_in_network), min(server_ms)
FROM posting GROUP BY sender ORDER BY sender;

INSERT INTO account
SELECT h.name, CASE WHEN h.name LIKE '%@s.whatsapp.net' THEN substr(h.name, 1, instr(h.name, '@') - 1) END,
  n.country, EXISTS (SELECT 1 FROM poster p WHERE p.account = h.name)
FROM (SELECT DISTINCT c.name FROM stage.handle s JOIN stage.canon c ON c.handle = s.handle) h
LEFT JOIN stage.number n ON n.jid = h.name ORDER BY h.name;

INSERT INTO lid_view
SELECT l.exhibit, l.lid, l.phone, c.name FROM stage.lid l JOIN stage.canon c ON c.handle = l.lid
ORDER BY l.exhibit, l.lid;

INSERT INTO contact SELECT exhibit, jid, display_name, push_name FROM stage.contact ORDER BY exhibit, jid;

INSERT INTO member_event
SELECT grp, kind, account, max(actor), at_ms, max(value), group_concat(exhibit)
FROM (SELECT e.grp, e.kind, a.name AS account, b.name AS actor, e.at_ms, e.value, e.exhibit
      FROM stage.event e LEFT JOIN stage.canon a ON a.handle = e.handle
      LEFT JOIN stage.canon b ON b.handle = e.actor ORDER BY e.grp, e.kind, a.name, e.at_ms, e.exhibit)
GROUP BY grp, kind, account, at_ms ORDER BY grp, at_ms, kind, account;

INSERT INTO grp
SELECT jid, subject, created_ms,
  (SELECT v.account FROM member_event v WHERE v.grp = g.jid AND v.kind = 'create'), max(as_of),
  (SELECT group_concat(exhibit) FROM (SELECT DISTINCT exhibit FROM stage.grp o WHERE o.jid = g.jid ORDER BY exhibit))
FROM stage.grp g GROUP BY jid ORDER BY jid;

CREATE TABLE stage.stay(grp, account, rank, since_ms, until_ms, as_of);
INSERT INTO stage.stay SELECT s.grp, c.name, s.rank, NULL, NULL, s.as_of
  FROM stage.seat s JOIN stage.canon c ON c.handle = s.handle;
INSERT INTO stage.stay SELECT grp, account,
  CASE kind WHEN 'create' THEN 2 WHEN 'promote' THEN 1 ELSE 0 END,
  CASE WHEN kind IN ('create', 'add', 'link') THEN at_ms END,
  CASE WHEN kind IN ('leave', 'remove') THEN at_ms END, NULL
  FROM member_event WHERE account IS NOT NULL;
INSERT INTO stage.stay SELECT DISTINCT m.grp, c.name, 0, NULL, NULL, NULL
  FROM stage.message m JOIN stage.canon c ON c.handle = m.sender WHERE m.grp NOT LIKE 'private:%';

INSERT INTO member
SELECT grp, account, CASE max(rank) WHEN 2 THEN 'creator' WHEN 1 THEN 'admin' ELSE 'member' END,
  min(since_ms), max(until_ms), max(until_ms) IS NULL, max(as_of)
FROM stage.stay GROUP BY grp, account ORDER BY grp, account;

INSERT INTO message
SELECT r.grp, r.key_id, c.name, r.server_ms, CASE WHEN r.alive IS NULL THEN 'revoked' ELSE r.kind END,
  r.text, r.score, r.alive, r.gone
FROM (SELECT grp, key_id, sender, server_ms, kind, text, score,
        max(CASE WHEN revoked THEN -1 ELSE edited END) AS latest,
        group_concat(CASE WHEN NOT revoked THEN exhibit END) AS alive,
        group_concat(CASE WHEN revoked THEN exhibit END) AS gone
      FROM (SELECT * FROM stage.message ORDER BY grp, key_id, exhibit) GROUP BY grp, key_id) r
JOIN stage.canon c ON c.handle = r.sender ORDER BY r.server_ms, r.key_id;

INSERT OR IGNORE INTO content SELECT sha256, original_id, variant, scene, series, size, md5, sha1
  FROM stage.content ORDER BY sha256;
INSERT OR IGNORE INTO camera SELECT sha256, serial, exif FROM stage.content
  WHERE serial IS NOT NULL ORDER BY sha256;
INSERT OR IGNORE INTO capture SELECT sha256, taken_local, utc_offset, latitude, longitude, has_refs
  FROM stage.capture ORDER BY sha256;
INSERT INTO file SELECT exhibit, path, sha256, size FROM stage.file ORDER BY exhibit, path;
INSERT INTO exact_stack SELECT sha256, sha256, count(*) FROM file GROUP BY sha256 HAVING count(*) > 1;
INSERT INTO visual_stack
SELECT sha256, original_id FROM (
  SELECT c.sha256, c.original_id, count(*) OVER (PARTITION BY c.original_id) AS n FROM content c
  WHERE c.scene <> 'flat' AND EXISTS (SELECT 1 FROM file f WHERE f.sha256 = c.sha256))
WHERE n > 1 ORDER BY original_id, sha256;
INSERT OR IGNORE INTO known SELECT sha256, known FROM stage.content s
  WHERE known IN ('alert', 'ignore') AND EXISTS (SELECT 1 FROM file f WHERE f.sha256 = s.sha256) ORDER BY sha256;
INSERT OR IGNORE INTO known_trap SELECT sha256, known FROM stage.content s
  WHERE known LIKE 'trap-%' AND EXISTS (SELECT 1 FROM file f WHERE f.sha256 = s.sha256) ORDER BY sha256;
INSERT INTO invite SELECT i.code, i.grp, i.found_in, i.key_id, c.name, i.server_ms, i.how, i.exhibit, i.path
  FROM stage.invite i LEFT JOIN stage.canon c ON c.handle = i.sender ORDER BY i.exhibit, i.server_ms, i.code, i.how;
INSERT INTO erased_file SELECT exhibit, path, sha256 FROM stage.erased_file ORDER BY exhibit, path;
INSERT INTO erased_message SELECT exhibit, key_id, grp,
  EXISTS (SELECT 1 FROM message m WHERE m.grp = e.grp AND m.key_id = e.key_id AND m.exhibits IS NOT NULL),
  row, text, erased_ms FROM stage.erased_message e ORDER BY exhibit, key_id;
INSERT INTO trace SELECT exhibit, key_id, grp, place FROM stage.trace ORDER BY exhibit, key_id, place;
INSERT INTO former SELECT exhibit, key_id, grp, text, place FROM stage.former ORDER BY exhibit, key_id, text, place;
INSERT INTO wording SELECT DISTINCT exhibit, row, grp, key_id, coalesce(text, '') FROM stage.wording
  ORDER BY exhibit, grp, key_id, text, row;
INSERT INTO left_over SELECT exhibit, key_id, sha256 FROM stage.left_over ORDER BY exhibit, key_id;
INSERT INTO erased_posting SELECT DISTINCT sha256, grp, key_id FROM stage.erased_posting ORDER BY sha256, grp, key_id;
INSERT INTO opened SELECT exhibit, path, sha256 FROM stage.opened ORDER BY exhibit, path;
INSERT INTO figure SELECT exhibit, path, label, value FROM stage.figure ORDER BY exhibit, path, label;
"""


def _lines(parts: Iterable[Path]) -> Iterator[list[object]]:
    for part in parts:
        with part.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def assemble(truth: Path, work: Path, parts: Iterable[Path], numbers: Iterable[tuple[str, str]],
             exhibits: Iterable[tuple[object, ...]]) -> sqlite3.Connection:  # fmt: skip
    """Write the truth tables to `truth`, staging in `work`; returns the open connection.

    `numbers`: (phone JID, country) of the world; `exhibits`: rows of the exhibit table.
    """
    stage = work / "stage.db"
    for path in (truth, stage):
        path.unlink(missing_ok=True)
    db = sqlite3.connect(truth, isolation_level=None)
    db.execute("ATTACH ? AS stage", (str(stage),))
    for name in ("main", "stage"):
        db.executescript(f"PRAGMA {name}.journal_mode=OFF; PRAGMA {name}.synchronous=OFF;")
    db.execute("BEGIN")
    for statement in (TABLES + STAGE).split(";")[:-1]:
        db.execute(statement)
    lines = _lines(parts)
    while batch := list(islice(lines, 20_000)):
        by_table: dict[str, list[list[object]]] = {}
        for table, *values in batch:
            by_table.setdefault(str(table), []).append(values)
        for table, rows in by_table.items():
            db.executemany(
                f"INSERT INTO stage.{table} VALUES ({','.join('?' * len(rows[0]))})", rows
            )
    db.executemany("INSERT INTO stage.number VALUES (?,?)", numbers)
    for statement in (_CANON + _FILL).split(";")[:-1]:
        db.execute(statement)
    db.executemany("INSERT INTO exhibit VALUES (?,?,?,?,?,?,?,?,?)", exhibits)
    db.execute("COMMIT")
    return db
