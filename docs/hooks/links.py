"""A check of the built site: every link leads somewhere, and nothing is fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError

_FETCHED = {"src", "srcset", "data", "poster"}


class _Links(HTMLParser):
    """What a page links to, what it fetches, and the places that others can link to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.linked: set[str] = set()
        self.fetched: set[str] = set()
        self.places: set[str] = {"", "__skip"}
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the links and the places of an element."""
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.places.add(value)
            elif name in _FETCHED and tag != "object":
                self.fetched.add(value or "")
            elif name == "href":
                (self.linked if tag == "a" else self.fetched).add(value or "")


def on_post_build(*, config: MkDocsConfig) -> None:
    """Raise PluginError with every link that leads nowhere and all that is fetched."""
    site = Path(config.site_dir).resolve()
    pages = {path: _Links(path) for path in sorted(site.rglob("*.html"))}
    problems = [
        f"{path.relative_to(site)}: {problem}"
        for path in pages
        for problem in _problems(path, pages, site)
    ]
    if problems:
        raise PluginError("links of the site:\n  " + "\n  ".join(problems))


def _problems(path: Path, pages: dict[Path, _Links], site: Path) -> Iterator[str]:
    page = pages[path]
    for url in sorted(page.linked | page.fetched):
        parts = urlsplit(url)
        if parts.scheme or parts.netloc:
            if url in page.fetched and parts.scheme != "data":
                yield f"fetches {url} from elsewhere"
            continue
        folder = site if parts.path.startswith("/") else path.parent
        target = (folder / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        if not target.is_file():
            yield f"there is no {url}"
        elif target in pages and unquote(parts.fragment) not in pages[target].places:
            yield f"there is no place {url}"
