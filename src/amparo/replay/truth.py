"""The ground truth of an operation: one SQLite file, `truth.db`, read with `open_truth`.

"Visible" means stated by a live row of at least one seized phone's database. Facts of the invented
world that no phone states are not in the truth, so a perfect reader can reach 100 %. Times are
milliseconds since 1970 UTC, server time. `exhibits` columns are exhibit numbers, sorted, joined by
commas. Accounts are named by their canonical handle: the phone JID where the account shows itself
by number or where at least one phone maps its LID to one, otherwise `<n>@lid`. `grp` is a group
JID, or for private chats `private:<jid>|<jid>` with the two phone JIDs sorted.

account(handle_jid, phone, country, poster)
    Every account that members, events, senders or quotes name. phone: digits or NULL; country:
    ISO alpha-2 of the number or NULL; poster: 1 where at least one posting is visible.
lid_view(exhibit, lid, phone_jid, canonical)
    Each LID in a phone's tables: phone_jid is that phone's own mapping (NULL: none there, so from
    this exhibit alone it stays a pseudonym), canonical the name over all phones together.
contact(exhibit, jid, display_name, push_name)   wa.db; display_name NULL where not saved.
exhibit(number, path, delivery, holder, account, country, kind, site, seized_ms)
    account: the phone owner's handle, NULL for what is no phone. delivery: folder, zip or tar.gz.
grp(jid, subject, created_ms, creator, as_of_ms, exhibits)
    subject: as on the phone with the latest knowledge (as_of_ms).
member(grp, account, role, since_ms, until_ms, present, as_of_ms)
    One row per account and group: the union of member lists, system rows and senders. role: the
    highest stated (creator, admin, member). since_ms: stated joining (the creation for the
    creator), NULL where no phone saw it. until_ms: stated leaving or removal; nobody returns, so
    present = until_ms IS NULL. as_of_ms: last moment a member list names the account, or NULL.
member_event(grp, kind, account, actor, at_ms, value, exhibits)
    kind: create, add, link (joined by invite link), leave, remove, promote, subject. account: the
    person concerned (NULL for subject); actor: NULL where no phone says who; value: the title.
    The old schema does not say who added or removed; promotion is told only to the promoted.
message(grp, key_id, sender, server_ms, kind, text, score, exhibits, revoked_exhibits)
    Live on at least one phone; system rows are not here. kind: text, image, invite (native), or
    revoked where no phone has the content any more. text: words or caption as last edited.
    exhibits: where the content is live; revoked_exhibits: where only the deletion mark is left.
posting(sha256, grp, key_id, sender, server_ms, seq, first_in_network, first_in_group, exhibits)
    A picture posted, from live media rows, also where the file itself was erased. seq: 1.. per
    content over the whole network by server time; the two flags mark the earliest.
poster(account, postings, contents, groups, firsts, first_ms)   groups: without private chats.
content(sha256, original_id, kind, scene, series, size, md5, sha1)
    kind: camera, whatsapp, again (re-encoded twice), bright, screenshot. scene: scene, room, flat.
    series: pictures of one room by one camera, which must not stack; with "/new" in its name one
    that no list knows and nobody passed on.
file(exhibit, path, sha256, size)   every file really in an exhibit, archives' members included.
exact_stack(sha256, stack, files)   contents lying in two or more places.
visual_stack(sha256, stack)
    Contents present as files and made from one picture of which at least two are present; flat
    pictures never stack.
known(sha256, kind)   contents present as files that the known sets must hit: alert or ignore.
known_trap(sha256, kind)   present, named in the alert set with Category null or 0: no alert.
camera(sha256, serial, exif)   the body each content comes from; exif = 1: it says so itself.
capture(sha256, taken_local, utc_offset, latitude, longitude, has_refs)
    EXIF of originals. has_refs = 0: hemisphere not stated (position must not be guessed).
invite(code, grp, found_in, key_id, sender, server_ms, how, exhibit, path)
    How one group leads to another: how = link, invite (native) or page (captured web page, path).
erased_file(exhibit, path, sha256)   removed from storage though a row may still name it.
erased_message(exhibit, key_id, grp, alive_elsewhere, row, text, erased_ms)
    Messages the phone's own database shows no more: deleted rows, and rows only marked as deleted.
    alive_elsewhere: 1 where another phone, or a backup of any, shows it. text: its last words.
trace(exhibit, key_id, grp, place)
    Where each of them still shows, found by looking for its very bytes: freelist, page (free bytes
    of a page in use), log, journal; hidden (the row is only marked); words (all of them, each at its
    place, in the full-text index); backup (an older one shows it); quote (a reply repeats it).
former(exhibit, key_id, grp, text, place)
    Wordings that a message the phone still has was given up for others, with the places as above.
wording(exhibit, row, grp, key_id, text)
    Every wording that an erased or changed message had on a phone, with its row there, and every
    wording that a reply repeats (row NULL).
left_over(exhibit, key_id, sha256)   pictures of erased messages whose media row was left behind.
erased_posting(sha256, grp, key_id)   true where recovered, asked for only where also in posting.
opened(exhibit, path, sha256)   encrypted backups, and what must come out of each.
figure(exhibit, path, label, value)   figures in press reports.
"""

import sqlite3
from pathlib import Path

TABLES = """
CREATE TABLE account(handle_jid TEXT PRIMARY KEY, phone TEXT, country TEXT, poster INTEGER);
CREATE TABLE lid_view(exhibit TEXT, lid TEXT, phone_jid TEXT, canonical TEXT);
CREATE TABLE contact(exhibit TEXT, jid TEXT, display_name TEXT, push_name TEXT);
CREATE TABLE exhibit(number TEXT PRIMARY KEY, path TEXT, delivery TEXT, holder TEXT, account TEXT,
  country TEXT, kind TEXT, site TEXT, seized_ms INTEGER);
CREATE TABLE grp(jid TEXT PRIMARY KEY, subject TEXT, created_ms INTEGER, creator TEXT,
  as_of_ms INTEGER, exhibits TEXT);
CREATE TABLE member(grp TEXT, account TEXT, role TEXT, since_ms INTEGER, until_ms INTEGER,
  present INTEGER, as_of_ms INTEGER, PRIMARY KEY (grp, account));
CREATE TABLE member_event(grp TEXT, kind TEXT, account TEXT, actor TEXT, at_ms INTEGER, value TEXT,
  exhibits TEXT);
CREATE TABLE message(grp TEXT, key_id TEXT, sender TEXT, server_ms INTEGER, kind TEXT, text TEXT,
  score INTEGER, exhibits TEXT, revoked_exhibits TEXT, PRIMARY KEY (grp, key_id));
CREATE TABLE posting(sha256 TEXT, grp TEXT, key_id TEXT, sender TEXT, server_ms INTEGER,
  seq INTEGER, first_in_network INTEGER, first_in_group INTEGER, exhibits TEXT);
CREATE INDEX posting_sha256 ON posting(sha256);
CREATE TABLE poster(account TEXT PRIMARY KEY, postings INTEGER, contents INTEGER, groups INTEGER,
  firsts INTEGER, first_ms INTEGER);
CREATE TABLE content(sha256 TEXT PRIMARY KEY, original_id TEXT, kind TEXT, scene TEXT, series TEXT,
  size INTEGER, md5 TEXT, sha1 TEXT);
CREATE TABLE file(exhibit TEXT, path TEXT, sha256 TEXT, size INTEGER, PRIMARY KEY (exhibit, path));
CREATE INDEX file_sha256 ON file(sha256);
CREATE TABLE exact_stack(sha256 TEXT PRIMARY KEY, stack TEXT, files INTEGER);
CREATE TABLE visual_stack(sha256 TEXT PRIMARY KEY, stack TEXT);
CREATE TABLE known(sha256 TEXT PRIMARY KEY, kind TEXT);
CREATE TABLE known_trap(sha256 TEXT PRIMARY KEY, kind TEXT);
CREATE TABLE camera(sha256 TEXT PRIMARY KEY, serial TEXT, exif INTEGER);
CREATE TABLE capture(sha256 TEXT PRIMARY KEY, taken_local TEXT, utc_offset TEXT, latitude REAL,
  longitude REAL, has_refs INTEGER);
CREATE TABLE invite(code TEXT, grp TEXT, found_in TEXT, key_id TEXT, sender TEXT,
  server_ms INTEGER, how TEXT, exhibit TEXT, path TEXT);
CREATE TABLE erased_file(exhibit TEXT, path TEXT, sha256 TEXT);
CREATE TABLE erased_message(exhibit TEXT, key_id TEXT, grp TEXT, alive_elsewhere INTEGER, row INTEGER,
  text TEXT, erased_ms INTEGER);
CREATE TABLE trace(exhibit TEXT, key_id TEXT, grp TEXT, place TEXT);
CREATE TABLE former(exhibit TEXT, key_id TEXT, grp TEXT, text TEXT, place TEXT);
CREATE TABLE wording(exhibit TEXT, row INTEGER, grp TEXT, key_id TEXT, text TEXT);
CREATE TABLE left_over(exhibit TEXT, key_id TEXT, sha256 TEXT);
CREATE TABLE erased_posting(sha256 TEXT, grp TEXT, key_id TEXT);
CREATE TABLE opened(exhibit TEXT, path TEXT, sha256 TEXT);
CREATE TABLE figure(exhibit TEXT, path TEXT, label TEXT, value INTEGER);
"""


def open_truth(path: Path) -> sqlite3.Connection:
    """Open `truth.db` (or the folder that holds it) for reading only."""
    file = path / "truth.db" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(file)
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
