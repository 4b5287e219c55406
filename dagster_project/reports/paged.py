"""A page as a PDF with page numbers, bookmarks and tags.

Reads a finished page of the site and the style sheets; writes one PDF. The same page becomes the same bytes. Run as a
script with page, PDF and folder of style sheets, it is a process of its own, which ``build`` starts.
WeasyPrint needs Pango of the operating system; where that is missing there are no PDFs, and nothing links to one.
"""

from __future__ import annotations

import logging
import re
import sys
from functools import cache
from pathlib import Path

PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
log = logging.getLogger(__name__)
_NOT_PRINTED = re.compile(
    r'<link [^>]*>| href="[^#"][^"]*"|<script[^>]*>.*?</script>|<details class="values">.*?</details>', re.DOTALL
)


@cache
def possible() -> bool:
    """Whether PDFs can be made here."""
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:
        said = str(error).splitlines()[0]
        log.warning("Es gibt keine PDF-Dateien, die Seiten sind vollständig (apt-get install %s): %s", PACKAGES, said)
        return False
    return True


def name_of(page: str) -> str:
    """The PDF beside a page."""
    return page.removesuffix(".html") + ".pdf"


def write_pdf(page: Path, target: Path, static: Path) -> None:
    """Set ``page`` with the style sheets of the folder ``static``; nothing else is loaded, links to pages are text."""
    import weasyprint
    from weasyprint.text.fonts import FontConfiguration

    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    fonts = FontConfiguration()
    sheets = [weasyprint.CSS(filename=str(static / name), font_config=fonts) for name in ("style.css", "paged.css")]
    nothing = weasyprint.urls.URLFetcher(allowed_protocols=["data"])  # the page is whole as it is
    text = _NOT_PRINTED.sub("", page.read_text(encoding="utf-8"))
    document = weasyprint.HTML(string=text, url_fetcher=nothing)
    document.write_pdf(
        str(target), stylesheets=sheets, font_config=fonts, pdf_variant="pdf/ua-1", custom_metadata=False
    )


if __name__ == "__main__":
    write_pdf(*map(Path, sys.argv[1:]))
