"""Pages, and archives of them."""

import io
from pathlib import Path

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

LIMIT = 2**20
SENTENCE = "This page says something about its subject, at some length, and then goes on for another while."


def html(text: str = SENTENCE, title: str = "A title") -> bytes:
    return f"<html><head><title>{title}</title></head><body><article><p>{text}</p></article></body></html>".encode()


SLOW = html("</p><p>".join(f"{SENTENCE} {number}" for number in range(40_000)))


class Warc:
    """A WARC file while it is written; every record has the same date."""

    def __init__(self, *, packed: bool = False) -> None:
        self.content = io.BytesIO()
        self.writer = WARCWriter(self.content, gzip=packed)

    def add(self, kind: str, content: bytes, http: StatusAndHeaders | None = None, **headers: str) -> "Warc":
        number = self.content.tell()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        record = self.writer.create_warc_record(
            names.pop("uri", "http://example.org/"),
            kind,
            io.BytesIO(content),
            http_headers=http,
            warc_content_type=names.pop("content-type", ""),
            warc_headers_dict={
                "WARC-Record-ID": f"<urn:test:{number}>",
                "WARC-Date": "2024-05-06T07:08:09Z",
                **names,
            },
        )
        self.writer.write_record(record)
        return self

    def response(self, content: bytes, status: str = "200 OK", uri: str = "http://example.org/", **http: str) -> "Warc":
        fields = [(name.replace("_", "-"), value) for name, value in {"Content_Type": "text/html", **http}.items()]
        return self.add("response", content, StatusAndHeaders(status, fields, protocol="HTTP/1.1"), uri=uri)

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content.getvalue())
        return path
