"""An EPUB file, as small as the format allows."""

import io
import zipfile
from collections.abc import Mapping

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""


def epub(chapters: Mapping[str, str | bytes], title: str = "", *, packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A book of some XHTML files by their names as they are referred to, in this order."""
    items = "".join(
        f'<item id="c{number}" href="{name}" media-type="application/xhtml+xml"/>'
        for number, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in range(len(chapters)))
    package = f"""<package xmlns="http://www.idpf.org/2007/opf" version="3.0">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata>
<manifest>{items}<item id="p" href="p.png" media-type="image/png"/></manifest><spine>{spine}</spine></package>"""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packed) as book:
        book.writestr("mimetype", "application/epub+zip", compress_type=zipfile.ZIP_STORED)
        book.writestr("META-INF/container.xml", CONTAINER)
        book.writestr("OEBPS/book.opf", package)
        for name, content in chapters.items():
            book.writestr(f"OEBPS/{name.replace('%20', ' ')}", content)
    return out.getvalue()
