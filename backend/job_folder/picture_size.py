"""How large a PNG or JPG picture will be once it is decoded, from its header alone. Standard library only."""

from __future__ import annotations

MOST_PIXELS = 8192 * 8192  # of a picture that is read: half a gigabyte in 16 bits with transparency
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SIZED = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}  # JPG's frame headers


def picture_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels; None for what is no PNG or JPG. A PNG needs its first 24 bytes, a JPG all of it."""
    if data.startswith(SIGNATURE):
        whole = len(data) >= 24 and data[12:16] == b"IHDR"
        return (int.from_bytes(data[16:20]), int.from_bytes(data[20:24])) if whole else None
    return _jpg_size(data) if data.startswith(b"\xff\xd8\xff") else None


def _jpg_size(data: bytes) -> tuple[int, int] | None:
    """Goes from segment to segment: a small picture within the first ones has a header of its own."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _SIZED:
            return int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7])
        if marker == 0xFF:  # filling
            at += 1
        elif 0xD0 <= marker <= 0xD8 or marker == 0x01:  # without content
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
    return None
