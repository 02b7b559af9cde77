"""Pages of the uses: escaped, self-contained, and readable as Markdown."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from goalspace.pages import Figure, Page, PageTable, write_page
from goalspace.pages.figures import INK, PALETTE, figure

HOSTILE = (
    "<script>window.owned = 1</script> & more",
    "</script></svg><script>window.owned = 2</script>",
    "</style><img src=x onerror='window.owned = 3'>",
    "$\\frac{a}$ {{ 7 * 7 }} | `code` | [a](http://b.example) \x1b[31m \x00 \ud800 \ufffe \u202eevil",
    "这是一个没有空格的中文文本。 هذا النص",
)


class Seen(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def hostile_figure(text: str) -> str:
    def draw(axes):
        axes.scatter(range(50), range(50), rasterized=True)
        axes.barh(["one", text], [1, 2])
        axes.plot([0, 1], [0, 1], label=text)
        axes.set_title(text)
        axes.legend()

    return figure(draw)


@pytest.fixture(params=range(len(HOSTILE)))
def page(request):
    text = HOSTILE[request.param]
    return Page(
        text,
        text,
        facts=[(text, text), ("rows", 5_000), ("share", 0.25)],
        figures=[Figure(hostile_figure(text), text), Figure(hostile_figure("plain"), "plain")],
        tables=[PageTable(text, [text, "n"], [[text, 1_200], [text, None]])],
    )


def test_texts_are_shown_and_nothing_runs(page, tmp_path):
    seen = Seen(write_page(tmp_path, page).read_text("utf-8"))
    tags = [tag for tag, _ in seen.elements]
    assert not {"script", "img", "iframe", "link", "a", "object", "foreignobject"} & set(tags)
    assert not [name for _, attributes in seen.elements for name in attributes if name.startswith("on")]
    assert tags.count("style") == 1
    visible = page.title.split("\x1b")[0].split("\u202e")[0].strip()
    assert seen.text.count(visible) >= 6  # title, heading, lead, fact, caption, table, and in the figure
    assert not re.search("[\x00\x1b\u202e\ud800-\udfff]", seen.text)
    assert "1,200" in seen.text


def test_page_refers_to_nothing_outside(page, tmp_path):
    html = write_page(tmp_path, page).read_text("utf-8")
    references = [
        value
        for _, attributes in Seen(html).elements
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset", "data", "action")
    ]
    assert references
    assert all(re.match(r"#|data:image/png;base64,", value) for value in references)
    assert not re.search(r"url\((?!#)|@import", html)
    assert " style=" not in html, "the page's policy would refuse it"
    policies = [a["content"] for tag, a in Seen(html).elements if a.get("http-equiv")]
    assert [policy.split(";")[0] for policy in policies] == ["default-src 'none'"]


def test_markdown_has_the_same_and_shows_the_figures(page, tmp_path):
    write_page(tmp_path, page)
    text = (tmp_path / "report.md").read_text("utf-8")
    tokens = MarkdownIt().enable("table").parse(text)
    flat = [child for token in tokens for child in (token, *(token.children or ()))]
    images = [token.attrGet("src") for token in flat if token.type == "image"]
    assert images == ["figure-1.svg", "figure-2.svg"]
    assert all((tmp_path / name).is_file() for name in images)
    assert not [token for token in flat if token.type in ("html_inline", "html_block", "link_open")]
    assert sum(token.type == "tr_open" for token in flat) == 3
    heading = next(token for token in flat if token.type == "heading_open")
    assert heading.tag == "h1"


def test_two_figures_on_a_page_share_no_id(tmp_path):
    figures = [Figure(hostile_figure(name), name) for name in ("one", "two")]
    html = write_page(tmp_path, Page("Two", "Two figures.", figures=figures)).read_text("utf-8")
    seen = Seen(html)
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 0
    used = set(re.findall(r"(?:url\(#|href=\"#)([\w-]+)", html))
    assert used == set(ids)


def test_figure_takes_the_colours_of_the_page():
    svg = hostile_figure("plain")
    root = ElementTree.fromstring(svg)
    texts = [e for e in root.iter() if e.tag.endswith("}text")]
    assert "plain" in {"".join(e.itertext()) for e in texts}
    assert all(e.get("fill") == "currentColor" and e.get("font-size", "").endswith("px") for e in texts)
    assert INK not in svg
    assert PALETTE[0] in svg


def test_figure_is_the_same_every_time():
    assert hostile_figure("plain") == hostile_figure("plain")


def test_page_without_figures_and_tables(tmp_path):
    html = write_page(tmp_path / "new", Page("Nothing", "Nothing was found.")).read_text("utf-8")
    assert "Nothing was found." in Seen(html).text
    assert (tmp_path / "new" / "report.md").read_text("utf-8") == "# Nothing\n\nNothing was found.\n"
