"""The Markdown of cards as HTML: what cards are made of, and nothing else."""

from __future__ import annotations

import pytest

from cds_service.web.console.markdown import to_html, words


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("plain", "<p>plain</p>"),
        ("one\ntwo\n\nthree", "<p>one two</p>\n<p>three</p>"),
        ("**Basis:** a, b", "<p><strong>Basis:</strong> a, b</p>"),
        ("see `a-b*c`", "<p>see <code>a-b*c</code></p>"),
        ("- a\n- **b**", "<ul><li>a</li><li><strong>b</strong></li></ul>"),
        (
            "| A | B |\n| --- | --- |\n| 1 | `x¦y` |\n\nmore",
            '<div class="wide"><table><tr><th scope="col">A</th><th scope="col">B</th></tr>'
            "<tr><td>1</td><td><code>x¦y</code></td></tr></table></div>\n<p>more</p>",
        ),
        ("| a | b |", '<div class="wide"><table><tr><td>a</td><td>b</td></tr></table></div>'),
        ("T < -2.5 & falling", "<p>T &lt; -2.5 &amp; falling</p>"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
        ("`<i>`", "<p><code>&lt;i&gt;</code></p>"),
        ("- <script>", "<ul><li>&lt;script&gt;</li></ul>"),
        ("| <td> |", '<div class="wide"><table><tr><td>&lt;td&gt;</td></tr></table></div>'),
        ("[a](javascript:b)", "<p>[a](javascript:b)</p>"),
        ("![a](https://example.org/b)", "<p>![a](https://example.org/b)</p>"),
        ("# head", "<p># head</p>"),
        ("{0} {} {x}", "<p>{0} {} {x}</p>"),
        ("`a` {} **{0}**", "<p><code>a</code> {} <strong>{0}</strong></p>"),
        ("**open `a`", "<p>**open <code>a</code></p>"),
    ],
)
def test_html(text: str, html: str) -> None:
    """Paragraphs, lists, tables, bold, code; everything else is text, escaped."""
    assert str(to_html(text)) == html


@pytest.mark.parametrize(
    ("name", "said"), [("threeMonthsOrLonger", "three months or longer"), ("drugs", "drugs")]
)
def test_words(name: str, said: str) -> None:
    """Names of members as words."""
    assert words(name) == said
