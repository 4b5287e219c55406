"""Text that was damaged on its way: read in another encoding than it was written in, or with letters lost.

Reads and writes nothing.

Nothing is mended: whoever delivers it knows what it was. What may stand in a real name (“Ærø”, “São”, “§ 5”, “½”) is
no damage: a sequence of signs counts only where it is UTF-8 of letters that names in Germany have, a single sign only
where no word has one.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# as whom a file of UTF-8 was read: the name for a message, then Python's
READ_AS = {
    "Windows-1252": "cp1252",
    "ISO-8859-1": "latin-1",
    "Mac Roman": "mac_roman",
    "DOS (CP850)": "cp850",
    "DOS (CP437)": "cp437",
    "Windows-1250": "cp1250",
    "ISO-8859-15": "iso8859_15",
}
TIMES = 3  # so often may one file have been read in the wrong encoding
LATIN_1 = "".join(map(chr, range(0xA0, 0x100)))
CENTRAL_EUROPEAN = "ĀāĂăĄąĆćČčĎďĐđĘęĚěĞğĪīİıĹĺĽľŁłŃńŇňŐőŒœŔŕŘřŚśŞşŠšŤťŪūŮůŰűŹźŻżŽžŸ"
SIGNS = "–—‘’‚“”„†‡•…‰‹›€™\ufeff\ufffd"
ACCENTS = "".join(map(chr, range(0x300, 0x30D)))  # of letters that are written as letter and accent
ORIGINAL = frozenset(LATIN_1 + CENTRAL_EUROPEAN + SIGNS + ACCENTS)
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")

# what could be damaged holds one of these: most texts do not. A pattern for SQL as well
SUSPECT = r"[^ -~]|[?&\\%]"
LOST = re.compile(r"[\ufffd\x1a□]|(?:^|(?<=[\s(-]))\?[a-zäöüß]{2,}\b(?!=)|\b(?<![/=&?])[^\W\d_]+\?[^\W\d_]+\b(?!=)")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x19\x1b-\x1f\x7f-\x9f\ue000-\uf8ff]")
INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
BOXES = re.compile(r"[\u2500-\u259f]")
WITHIN_A_WORD = re.compile(r"[A-Za-zÄÖÜäöüß][§„”†‡‰¶¸ˆ÷³¬±¤¦¨¼¾¿ŠŽŸƒﬂﬁ][a-zäöüß]|tra[áº·]e|[a-zäöüß]Ã(?=\s|$)")
# a letter of another script (Greek, Chinese …) that touches a Latin one
OTHER_SCRIPT = r"[\u0370-\u1cff\u207f\u3040-\ud7ff\uff66-\uffdc]"
MIXED_SCRIPTS = re.compile(rf"[A-Za-z]{OTHER_SCRIPT}|{OTHER_SCRIPT}[A-Za-z]")
ESCAPED = re.compile(
    r"&(?:[A-Za-z]{2,8}|#\d{2,5}|#x[0-9A-Fa-f]{2,5});|\\u[0-9A-Fa-f]{4}|\\x[c-fC-F][0-9A-Fa-f]"
    r"|(?<!\d)%(?:C4|D6|DC|DF|E4|F6|FC)(?![0-9A-F])|(?:%[C-F][0-9A-F]%[89AB][0-9A-F])"
)


@lru_cache(maxsize=4096)
def damage(text: str) -> str | None:
    """The likely cause of the damage in a text as a German half sentence, or None where it is whole."""
    if not re.search(SUSPECT, text):
        return None
    if read_as := _read_as(text):
        return f"UTF-8 wurde vermutlich als {read_as} gelesen"
    if LOST.search(text):
        return "Buchstaben sind beim Umwandeln verloren gegangen und durch ein Ersatzzeichen vertreten"
    if CONTROL.search(text) or BOXES.search(text) or WITHIN_A_WORD.search(text) or MIXED_SCRIPTS.search(text):
        return "der Text wurde vermutlich in einer anderen Kodierung (DOS, Mac oder Windows) gelesen als geschrieben"
    if INVISIBLE.search(text):
        return "zwischen den Buchstaben stehen unsichtbare Zeichen"
    if ESCAPED.search(text):
        return "statt der Buchstaben stehen Zeichencodes einer Webseite oder eines Programms"
    return None


def refused(text: str) -> str:
    """The text itself, for a field of a declaration. Raises `ValueError` where it is damaged."""
    if cause := damage(text):
        raise ValueError(f"the text is damaged, write it anew in UTF-8 (in German: {cause})")
    return text


def _read_as(text: str) -> str | None:
    """The encoding a text in UTF-8 was read in, where a part of it tells."""
    runs = NOT_ASCII.findall(unicodedata.normalize("NFC", text))
    return next((name for name, codec in READ_AS.items() if any(_is_original(run, codec) for run in runs)), None)


def _is_original(run: str, codec: str, times: int = TIMES) -> bool:
    """Whether the bytes that an encoding writes for a run of signs are UTF-8 of what names hold, at once or again."""
    read = _as_utf8(run, codec)
    if read is None or not times:
        return False
    if set(read) <= ORIGINAL:
        return True
    return any(_is_original(part, other, times - 1) for part in NOT_ASCII.findall(read) for other in READ_AS.values())


def _as_utf8(run: str, codec: str) -> str | None:
    try:
        # Windows reads the bytes it has no sign for as control characters
        written = b"".join(
            sign.encode("latin-1") if codec in ("cp1252", "cp1250") and "\x80" <= sign <= "\x9f" else sign.encode(codec)
            for sign in run
        )
        return written.decode("utf-8")
    except UnicodeError:
        return None
