"""Damaged text: what was read in a wrong encoding is told from names that only look unusual."""

from __future__ import annotations

import unicodedata

import pytest

from dagster_project.damaged_text import READ_AS, damage

NAMES = [
    "Größe", "Grün", "Köln", "Straße", "Ärztehaus", "Österreich", "Übach", "Mühlenweg", "Café", "Łódź", "Bäcker–Weg",
    "Île", "Œuvre", "Ångström", "„Süd“", "Čačak",
]  # fmt: skip
UNUSUAL = [
    "São Paulo", "SÃO", "Ærø", "§ 5 Absatz 2", "5½", "½", "Groß–Gerau", "„Weiß“", "A–Ä–Z", "«Å»", "Weiß…", "Straße “X”",
    "Côte d’Azur", "L’Haÿ-les-Roses", "Was? Wo?", "Müller & Söhne", "100 %", "„Ö“", "«É»", "łužyca", "Budyšin", "Žatec",
    "Quartier »Nord«", "m³/s", "Ü–Z", "Ø 5", "A&B;C", "BRÜSSELER ALLEE", "STRAẞE", "Ça", "İstanbul", "Iğdır", "Fuß“",
    "Spaß’s", "Straße 5 (Süd)", "Kita „Sonne“",
]  # fmt: skip


def misread(text: str, codec: str) -> str:
    """A text in UTF-8 as a program shows it that takes it for another encoding; Windows keeps what it does not know."""
    signs = []
    for byte in text.encode():
        try:
            signs.append(bytes([byte]).decode(codec))
        except UnicodeDecodeError:
            signs.append(chr(byte))
    return "".join(signs)


@pytest.mark.parametrize("codec", READ_AS.values())
@pytest.mark.parametrize("times", [1, 2, 3])
def test_text_read_in_a_wrong_encoding_is_told(codec: str, times: int) -> None:
    for name in NAMES:
        text = name
        for _ in range(times):
            text = misread(text, codec)
        assert damage(text) is not None, (name, text)
        assert damage(f"Am Alten {text}") is not None


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("GrÃ¼n", "Windows-1252"),
        ("Gr√ºn", "Mac Roman"),
        ("Gr├╝n", "DOS"),
        ("Gr\ufffdn", "Ersatzzeichen"),
        ("Gr?n", "Ersatzzeichen"),
        ("Gr\x81n", "anderen Kodierung"),
        ("GrŸn", "anderen Kodierung"),
        ("K”ln", "anderen Kodierung"),
        ("Straáe", "anderen Kodierung"),
        ("Stra§e", "anderen Kodierung"),
        ("Gr³n", "anderen Kodierung"),
        ("Gr\u00adün", "unsichtbare"),
        ("\u200bGrün", "unsichtbare"),
        ("Gr&uuml;n", "Zeichencodes"),
        ("Gr%C3%BCn", "Zeichencodes"),
        ("Gr\\u00fcn", "Zeichencodes"),
        ("Gr\\xfcn", "Zeichencodes"),
        ("Gr%FCn", "Zeichencodes"),
        ("?stlich", "Ersatzzeichen"),
        ("Bad ?ynhausen", "Ersatzzeichen"),
        ("Mⁿnster", "anderen Kodierung"),
        ("M黱ster", "anderen Kodierung"),
    ],
)
def test_the_likely_cause_is_named(text: str, cause: str) -> None:
    assert cause in (damage(text) or "")


@pytest.mark.parametrize("name", [*NAMES, *UNUSUAL])
def test_real_names_are_left_alone(name: str) -> None:
    assert damage(name) is None
    assert damage(name.upper()) is None
    assert damage(unicodedata.normalize("NFD", name)) is None
