"""Which encoding a text file has, guessed from its first bytes."""

from __future__ import annotations

import pytest

from vicinal.toolkit.text_encoding import detect_byte_order_mark, guess_encoding, is_utf8

TEXTS = {
    "German": "Die Gemüsesuppe ist köstlich; Größe und Maße\nMüller trägt Äpfel\nStraße nach Köln",
    "French": "Le café est très bon à l’été\nÇa va, où êtes-vous\nun élève naïf",
    "Spanish": "El niño comió piñas mañana\n¿Dónde está?\n¡Qué bien!",
    "Portuguese": "São Paulo é a maior cidade\ncoração e ação",
    "Italian": "perché no\ncittà e università\npiù caffè",
    "Swedish": "Räksmörgås på ö\nflygande bäckasiner söka",
    "Danish": "Blåbærgrød på øen\nRødgrød med fløde",
    "Icelandic": "Það er gott\nþú ert íslenskur",
    "English": "It’s a “nice” day – really\nplain\nprice 5 €",
    "cities": "München\nBesançon\nMálaga\nÅlesund\nForlì\nSão Paulo\nTromsø",
    "Polish": "Zażółć gęślą jaźń\nŁódź jest pięknym miastem",
    "Czech": "Kůň běží přes louku\nčeština je řeč\nškola a dům",
    "Hungarian": "Árvíztűrő tükörfúrógép\nJó reggelt kívánok",
    "Turkish": "Günaydın dünya\nİstanbul çok güzel şehir",
    "Russian": "Привет, мир\nМосква столица России\nхороший день",
    "Greek": "Καλημέρα κόσμε\nΗ Ελλάδα είναι όμορφη",
    "Hebrew": "שלום עולם\nירושלים היא בירה",
    "Arabic": "مرحبا بالعالم\nالقاهرة مدينة كبيرة",
    "Japanese": "こんにちは世界\n東京は日本の首都です\nカタカナとひらがな",
    "Chinese": "你好世界\n北京是中国的首都\n今天天气很好" * 5,
    "Korean": "안녕하세요 세계\n서울은 한국의 수도입니다",
}
ENCODINGS = [
    *((name, "cp1252") for name in ("German", "French", "Spanish", "Portuguese", "Italian", "Swedish", "Danish")),
    *((name, "cp1252") for name in ("Icelandic", "English", "cities")),
    *((name, "mac_roman") for name in ("German", "French", "Spanish", "English", "cities")),
    *((name, "cp850") for name in ("German", "Spanish", "cities")),
    *((name, "cp1250") for name in ("Polish", "Czech", "Hungarian")),
    ("Turkish", "cp1254"),
    *(("Russian", encoding) for encoding in ("cp1251", "koi8_r", "cp866")),
    *(("Greek", "cp1253"), ("Hebrew", "cp1255"), ("Arabic", "cp1256")),
    *(("Japanese", "cp932"), ("Japanese", "euc_jp"), ("Chinese", "gb18030"), ("Korean", "cp949")),
]


@pytest.mark.parametrize(("language", "encoding"), ENCODINGS)
def test_a_legacy_encoding_is_found_by_the_letters(language, encoding):
    lines = TEXTS[language].split("\n")
    table = "id,text,year\n" + "".join(f"{number},{line},2020\n" for number, line in enumerate(lines))
    assert [guess_encoding(text.encode(encoding)) for text in (TEXTS[language], table)] == [encoding] * 2


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("language", ["English", "German", "Russian", "Japanese", "Chinese"])
def test_wide_encodings_are_found_by_their_nul_bytes(language, encoding):
    data = ("id,text\n1," + TEXTS[language] + "\n").encode(encoding)
    assert guess_encoding(data) == encoding
    assert guess_encoding(data[:41]) == encoding, "a head may end within a character"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("é".encode("utf-8-sig"), "utf-8-sig"),
        ("é".encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + "é".encode("utf-16-be"), "utf-16"),
        ("é".encode("utf-32"), "utf-32"),
        (b"\0\0\xfe\xff" + "é".encode("utf-32-be"), "utf-32"),
        ("é".encode(), ""),
        (b"", ""),
    ],
)
def test_a_byte_order_mark_names_the_encoding(data, encoding):
    assert detect_byte_order_mark(data) == encoding
    assert guess_encoding(data) == (encoding or "utf-8")


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", bytes(100), b"PK\x03\x04\0\0\0", b"hello wor\0ld\nplain text\n" * 9]
)
def test_what_is_not_a_text_has_no_encoding(data):
    assert guess_encoding(data) == ""


def test_a_head_may_end_within_a_character_of_utf8():
    assert is_utf8("é".encode()[:1])
    assert not is_utf8(b"\xe9t\xe9")
    assert [guess_encoding("caf\xe9".encode("cp1252"), is_whole=whole) for whole in (False, True)] == [
        "utf-8",
        "cp1252",
    ]
