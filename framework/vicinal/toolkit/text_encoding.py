"""Guesses in which encoding a text file is written: by its byte order mark, its NUL bytes, or its letters.

A guess is for a hint, or for a YAML that the user reads; a source never decodes a file by it.
"""

from __future__ import annotations

import codecs
import unicodedata

__all__ = ["detect_byte_order_mark", "guess_encoding", "guess_legacy_encoding", "is_utf8"]

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = (
    *("äöüßé", "àâæçéèêëîïôœùûüÿ", "áéíñóúüªº", "àáâãçéêíóôõúü", "àèéìíîòóùú", "åäöé", "æøåéèêóòâôü"),
    *("áðéíóúýþæö", "éëïóöüèáíú", "àçèéíïòóúü"),
)
_CENTRAL_EUROPEAN = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšž")
_HEBREW_FINALS = set("ךםןףץ")
_CYRILLIC = ("".join(map(chr, range(0x0430, 0x0460))) + "ґ",)
_LANGUAGES = {
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL_EUROPEAN,
    "cp1254": ("çğıiöşüâîû",),
    "cp1255": ("".join(map(chr, range(0x05D0, 0x05EB))),),
    "cp1251": _CYRILLIC,
    "koi8_r": _CYRILLIC,
    "cp866": _CYRILLIC,
    "cp1253": ("".join(map(chr, range(0x03AC, 0x03CF))),),
    "mac_roman": _WESTERN,
    "cp850": _WESTERN,
}
"""For each encoding, most frequent first, the letters beyond ASCII of the languages that are written in it."""
_PUNCTUATION = set("’‘“”„‚–—…€£§°«»‹›¿¡•™©®´\u00a0")
_OTHERS = ("cp932", "euc_jp", "gb18030", "big5", "cp949", "cp1256", "cp874")
_MIN_SHARE = 0.9
_SAMPLE_BYTES = 64 << 10
_PLAUSIBLE, _IMPLAUSIBLE = "+", "-"
_CONTROLS = set("\t\n\v\f\r")


def detect_byte_order_mark(head: bytes) -> str:
    """Return the encoding that a file's byte order mark names; empty where the file has none."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS if head.startswith(mark)), "")


def guess_encoding(head: bytes, *, is_whole: bool = False) -> str:
    """Return the likely encoding of a file that begins with ``head``, as Python names it; empty where none fits.

    Only a head that is the whole file cannot end within a character.
    """
    if mark := detect_byte_order_mark(head):
        return mark
    if b"\0" in head:
        return _guess_utf16_or_utf32(head[:_SAMPLE_BYTES])
    has_utf8 = is_utf8(head + b"\n" if is_whole else head) or _is_mostly_utf8(head)
    return "utf-8" if has_utf8 else guess_legacy_encoding(head)


def is_utf8(head: bytes) -> bool:
    """Whether a file's first bytes are UTF-8; the last character may be incomplete."""
    return _decode_head(head, "utf-8") is not None


def _is_mostly_utf8(head: bytes) -> bool:
    """Whether most lines beyond ASCII are UTF-8, so that the others are damaged; legacy encodings hardly look so."""
    valid = [is_utf8(line + b"\n") for line in head.splitlines() if not line.isascii()]
    return sum(valid) > len(valid) / 2


def _decode_head(head: bytes, encoding: str) -> str | None:
    """Decode, leaving out an incomplete character at the end; None where the bytes are not in this encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None


def _guess_utf16_or_utf32(head: bytes) -> str:
    """Return the byte order without a mark in which the bytes are assigned characters, and most of them ASCII."""
    texts = {name: _decode_head(head, name) for name in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")}
    shares = {name: _count_ascii(text) / len(text) for name, text in texts.items() if text and _is_text(text)}
    return max(shares, key=lambda name: shares[name], default="")


def _is_text(text: str) -> bool:
    strange = sum(char not in _CONTROLS and unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs") for char in text)
    return (text.isascii() or any(char.isspace() for char in text)) and strange <= len(text) // 100


def _count_ascii(text: str) -> int:
    return sum(char.isascii() for char in text)


def guess_legacy_encoding(head: bytes) -> str:
    """Guess from the lines that are not ASCII: European languages by their letters, others by charset-normalizer.

    charset-normalizer alone takes German and French for cp1250, since it compares how plain a text looks, not letters.
    """
    sample = b"\n".join(line for line in head.splitlines() if not line.isascii())[:_SAMPLE_BYTES]
    shares = {encoding: _language_share(sample, encoding) for encoding in _LANGUAGES}
    best = max(shares, key=lambda encoding: shares[encoding])
    if shares[best] >= _MIN_SHARE:
        return best
    from charset_normalizer import from_bytes

    match = from_bytes(sample, cp_isolation=list(_OTHERS)).best()
    return match.encoding if match else best if shares[best] else ""


def _language_share(sample: bytes, encoding: str) -> float:
    """Return which share of the characters beyond ASCII an encoding's best fitting language has.

    A mixture of its languages counts a little less, and only letters that do not stand between two others.
    """
    text = _decode_head(sample, encoding)
    if text is None:
        return 0.0
    letters = [_classify_char(text, place) for place, char in enumerate(text) if not char.isascii()]
    hits = [sum(letter in language for letter, _ in letters) for language in _LANGUAGES[encoding]]
    mixed = sum(alone and any(letter in language for language in _LANGUAGES[encoding]) for letter, alone in letters)
    plausible = sum(letter == _PLAUSIBLE for letter, _ in letters)
    return (plausible + max(*hits, 0.95 * mixed)) / max(1, len(letters))


def _classify_char(text: str, place: int) -> tuple[str, bool]:
    """Return a letter's lower case, or whether a character is plausible there; and whether one of its sides is free."""
    char, before, after = text[place], text[place - 1 : place], text[place + 1 : place + 2]
    beside = [other for other in (before, after) if other.isalpha()]
    is_alone = len(beside) < 2 or any(other.isascii() for other in beside)
    is_latin = ord(char) < 0x0370
    is_final_inside = char in _HEBREW_FINALS and after.isalpha()
    if char.isalpha() and not is_final_inside and (is_latin or not any(other.isascii() for other in beside)):
        is_capital_inside = char.isupper() and (before.islower() if is_latin else before.isalpha())
        return (_IMPLAUSIBLE if is_capital_inside else char.lower()[0]), is_alone
    is_inside_word = len(beside) == 2 and char != "’"
    return (_PLAUSIBLE if char in _PUNCTUATION and not is_inside_word else _IMPLAUSIBLE), is_alone
