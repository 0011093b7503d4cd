"""The report as one HTML page: light and dark, wide and narrow, nothing loaded."""

from typing import Any

import jinja2

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ title }}</title>
<style>
:root {
  --ground: #fbfaf7; --card: #ffffff; --ink: #1f2328; --muted: #6b7280; --line: #e3e1da;
  --accent: #2a6f97; --second: #c8632b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #15181c; --card: #1d2126; --ink: #e7e9ec; --muted: #98a1ad; --line: #323840;
    --accent: #6fb3d9; --second: #f0955e;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 54rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
.over { color: var(--muted); font-size: .9rem; margin: 0; }
h1 { font-size: clamp(1.6rem, 5vw, 2.3rem); line-height: 1.2; margin: .25rem 0 1.75rem;
     text-wrap: balance; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 3rem 0 .75rem; }
.answer { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
          border-left: .35rem solid var(--accent); padding: 1.1rem 1.35rem; }
.answer strong { display: block; font-size: 1.35rem; line-height: 1.3; margin-bottom: .35rem; }
.answer p { margin: 0; }
.said { padding-left: 1.2rem; max-width: 46rem; }
.said li { margin: .5rem 0; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line);
         border-radius: .6rem; padding: 1rem .9rem; }
figure svg { display: block; width: 100%; max-width: 36rem; height: auto; margin: 0 auto; }
figure svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans",
                  sans-serif !important; }
figcaption { color: var(--muted); font-size: .92rem; line-height: 1.5; margin: .75rem .25rem 0; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .6rem;
        background: var(--card); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; line-height: 1.4;
        font-variant-numeric: tabular-nums; }
th, td { padding: .5rem .7rem; text-align: left; white-space: nowrap; vertical-align: top; }
thead th { color: var(--muted); font-weight: 500; }
tbody th { font-weight: 500; }
tbody tr > * { border-top: 1px solid var(--line); }
tbody tr.more > * { border-top: 0; padding-top: 0; }
.note, .method { color: var(--muted); font-size: .92rem; line-height: 1.5; }
.note { margin: .5rem .25rem 0; max-width: 46rem; }
.method { padding-left: 1.2rem; max-width: 46rem; }
.method li { margin: .4rem 0; }
</style>
</head>
<body>
<main>
<p class="over">Segue · version {{ told.findings.version }}</p>
<h1>{{ title }}</h1>
<div class="answer"><strong>{{ told.answer }}.</strong><p>{{ told.because }}</p></div>
{% if told.sentences %}
<ul class="said">
{% for sentence in told.sentences %}<li>{{ sentence }}</li>
{% endfor %}</ul>
{% endif %}
{% for text, svg in figures %}
<h2>{{ text.title }}</h2>
<figure>{{ svg | safe }}<figcaption>{{ text.caption }}</figcaption></figure>
{% endfor %}
{% for table in told.tables %}
<h2>{{ table.title }}</h2>
<div class="wide" tabindex="0"><table>
<thead><tr>{% for cell in table.header %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}<tr{% if not row[0] %} class="more"{% endif %}>
<th scope="row">{{ row[0] }}</th>{% for cell in row[1:] %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
{% for note in table.notes %}<p class="note">{{ note }}</p>
{% endfor %}
{% endfor %}
<h2>How this was measured</h2>
<ul class="method">
{% for line in told.method %}<li>{{ line }}</li>
{% endfor %}</ul>
</main>
</body>
</html>
"""


def page(title: str, told: Any, figures: list[tuple[Any, str]]) -> str:
    """The page of the report `told`; `figures`: title and caption, and SVG."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.from_string(_PAGE).render(title=title, told=told, figures=figures)
