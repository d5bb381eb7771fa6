"""A web page in one file: no scripts, nothing fetched, pictures and plots within it."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator

_STYLE = """
:root{color-scheme:light dark;--ground:#fff;--ink:#1b1b1b;--faint:#ddd;--soft:#666}
@media(prefers-color-scheme:dark){:root{--ground:#161616;--ink:#e6e6e6;--faint:#3a3a3a;
--soft:#a0a0a0}}
body{margin:0 auto;padding:1rem;max-width:75rem;background:var(--ground);color:var(--ink);
font:16px/1.45 system-ui,sans-serif}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}
h3{font-size:1rem;font-weight:600;margin:1.2rem 0 .3rem;overflow-wrap:anywhere}
figure{margin:0}figcaption{font-size:.85rem;color:var(--soft);overflow-wrap:anywhere}
img{display:block;width:100%;height:auto}
"""


def write_page(title: str, body: Iterable[str], style: str = "") -> Iterator[str]:
    """The page, piece by piece. ``body`` and ``style`` are markup and rules, ``title`` is text."""
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Whatever a name might smuggle in, the browser fetches and runs nothing.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}{style}</style></head><body>\n"
    )
    for part in body:
        yield part + "\n"
    yield "</body></html>"


def escape(text: object) -> str:
    """Text for HTML, between tags or in quotes; what UTF-8 cannot write becomes a question mark."""
    return html.escape(str(text).encode("utf-8", "replace").decode("utf-8"), quote=True)


def figure(jpeg: bytes, alt: str, caption: str) -> str:
    """A picture within the page, with its caption."""
    data = base64.b64encode(jpeg).decode("ascii")
    return (
        f'<figure><img alt="{escape(alt)}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
