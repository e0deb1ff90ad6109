"""What a volume or disk is by its first bytes: signatures from the formats' published layouts.

Only comparisons of bytes, so the host may ask it too.
"""

from __future__ import annotations

READ = ("ext", "FAT", "exFAT", "NTFS", "HFS+", "ISO 9660")
"""File systems that The Sleuth Kit reads; APFS has its own reader."""
ENCRYPTED = ("BitLocker", "LUKS", "FileVault 2 (Core Storage)")
HEAD = 0x10048
"""How many leading bytes the signatures below lie in."""
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (3, b"-FVE-FS-", "BitLocker"),
    (0, b"LUKS\xba\xbe", "LUKS"),
    (88, b"CS\x01\x00", "FileVault 2 (Core Storage)"),
    (32, b"NXSB", "APFS"),
    (3, b"NTFS    ", "NTFS"),
    (3, b"EXFAT   ", "exFAT"),
    (3, b"ReFS\0\0\0\0", "ReFS"),
    (0, b"XFSB", "XFS"),
    (0, b"hsqs", "SquashFS"),
    (0, b"\x85\x19\x03\x20", "JFFS2"),
    (0, b"UBI#", "UBI"),
    (1024, b"\x10\x20\xf5\xf2", "F2FS"),
    (1024, b"\xe2\xe1\xf5\xe0", "EROFS"),
    (0x10040, b"_BHRfS_M", "Btrfs"),
    (512, b"LABELONE", "LVM"),
    (4096, b"\xfc\x4e\x2b\xa9", "Linux RAID"),
    (4086, b"SWAPSPACE2", "swap space"),
    (1080, b"\x53\xef", "ext"),
    (1024, b"H+\x00", "HFS+"),
    (1024, b"HX\x00", "HFS+"),
    (0x8001, b"CD001", "ISO 9660"),
)
_BITLOCKER_TO_GO = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")


def kind_of(head: bytes) -> str:
    """What a volume is by its first 64 KiB, "" when that does not show."""
    if head[3:11] == b"MSWIN4.1" and _BITLOCKER_TO_GO in head[:512]:
        return "BitLocker"
    for at, signature, name in _SIGNATURES:
        if head[at : at + len(signature)] == signature:
            return name
    if head[1024:1026] == b"BD" and head[1148:1150] in (b"H+", b"HX"):
        return "HFS+"
    boot = head[510:512] == b"\x55\xaa"
    jump = head[:1] in (b"\xeb", b"\xe9")
    if boot and jump and (head[54:57] == b"FAT" or head[82:85] == b"FAT"):
        return "FAT"
    # Cameras and phones format cards without the text; the shape of the parameter block tells.
    sector = int.from_bytes(head[11:13], "little")
    if boot and jump and sector in (512, 1024, 2048, 4096) and head[16:17] in (b"\1", b"\2"):
        return "FAT" if head[13:14] and head[13] & (head[13] - 1) == 0 and head[21] >= 0xF0 else ""
    return ""


def looks_like_disk(head: bytes) -> bool:
    """Whether a file's first 64 KiB are those of a disk or volume, by signature alone."""
    if kind_of(head) or head[512:520] == b"EFI PART" or head[4096:4104] == b"EFI PART":
        return True
    if head[:2] == b"ER" and head[512:514] == b"PM":
        return True
    if head[510:512] != b"\x55\xaa":
        return False
    entries = [head[446 + 16 * i : 462 + 16 * i] for i in range(4)]
    used = [e for e in entries if e[4:5] != b"\0"]
    return bool(used) and all(len(e) == 16 and e[0] in (0, 0x80) and any(e[12:]) for e in used)
