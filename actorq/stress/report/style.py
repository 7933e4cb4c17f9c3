"""The page's style: light and dark as the reader's system is, narrow and wide, and on paper."""

from __future__ import annotations

LIGHT = ("#0b62c4", "#c2410c", "#15803d", "#7c3aed", "#0e7490", "#be185d")
DARK = ("#6cb2ff", "#fb9a5c", "#5fd38a", "#b79cff", "#58c8de", "#f583bb")
"""Colours of series: as far apart for those who do not see red or green; WCAG AA on the ground."""

_LIGHT = {"ground": "#ffffff", "raised": "#f4f6f8", "text": "#1b1f24", "quiet": "#57606a",
          "rule": "#d0d7de", "bad": "#b42318", "good": "#15803d"}  # fmt: skip
_DARK = {"ground": "#101418", "raised": "#1a2027", "text": "#e6edf3", "quiet": "#9da7b1",
         "rule": "#343c45", "bad": "#ff8a80", "good": "#5fd38a"}  # fmt: skip


def _variables(named: dict[str, str], series: tuple[str, ...]) -> str:
    numbered = {f"c{n}": colour for n, colour in enumerate(series)}
    return "".join(f"--{name}:{value};" for name, value in {**named, **numbered}.items())


def _series() -> str:
    return "".join(
        f".l{n}{{fill:none;stroke:var(--c{n});stroke-width:1.6}}"
        f".a{n}{{fill:var(--c{n});fill-opacity:.25}}"
        f".f{n}{{fill:var(--c{n})}}.k{n}{{background:var(--c{n})}}"
        for n in range(len(LIGHT))
    )


STYLE = (
    f":root{{color-scheme:light dark;{_variables(_LIGHT, LIGHT)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{_variables(_DARK, DARK)}}}}}"
    + """
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);
 font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:1240px;margin:0 auto;padding:16px}
h1{font-size:1.5rem;line-height:1.25;margin:.2em 0}
h2{font-size:1.15rem;margin:2.2em 0 .5em;border-bottom:1px solid var(--rule);padding-bottom:.2em}
h3{font-size:.95rem;margin:.2em 0 .3em;font-weight:600}
p{margin:.4em 0 .8em;max-width:75ch}
.quiet,.none,figcaption{color:var(--quiet)}
.none,figcaption{font-size:.85rem}
.bad{color:var(--bad);font-weight:600}.good{color:var(--good);font-weight:600}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:1em 0}
.card{background:var(--raised);border-radius:8px;padding:10px 12px}
.card b{display:block;font-size:1.3rem;line-height:1.3;font-variant-numeric:tabular-nums}
.card span{color:var(--quiet);font-size:.85rem}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:22px}
.plots.large{grid-template-columns:repeat(auto-fill,minmax(min(100%,520px),1fr))}
figure{margin:0;min-width:0;break-inside:avoid}
svg.chart{display:block;width:100%;height:auto}
svg text{font:11px system-ui,sans-serif;fill:var(--quiet)}
svg .up,svg .end{text-anchor:end}svg .along{text-anchor:middle}
svg .mark{fill:var(--text);font-weight:600;paint-order:stroke;stroke:var(--ground);
 stroke-width:3px;stroke-linejoin:round}svg .bar{fill:var(--text)}
.grid{stroke:var(--rule);stroke-width:.6}.axis{stroke:var(--quiet);stroke-width:.8}
.marked{stroke:var(--text);stroke-width:1.2}
path.dashed{stroke-dasharray:4 3}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;margin:.2em 0;font-size:.82rem;color:var(--quiet)}
.legend i{display:inline-block;width:14px;height:3px;margin-right:5px;vertical-align:middle}
.legend i.area{height:9px;opacity:.5}.legend i.dashed{background-image:
 linear-gradient(90deg,transparent 60%,var(--ground) 60%);background-size:6px 3px}
.wide{overflow-x:auto;margin:.4em 0}.plots+.wide{margin-top:1.6em}
table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid var(--rule);
 vertical-align:top}
th{font-weight:600;white-space:nowrap}
td.n,th.n{text-align:right;white-space:nowrap}
td:first-child{white-space:nowrap}
td.why{min-width:13em;white-space:normal}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.82rem;background:var(--raised);
 padding:10px;border-radius:8px}
li{margin:.2em 0}
@media print{"""
    + f":root{{{_variables(_LIGHT, LIGHT)}}}"
    + """body{font-size:10pt}main{max-width:none;padding:0}
.plots{grid-template-columns:repeat(2,1fr)}h2{break-after:avoid}.wide{overflow:visible}
table{font-size:8pt}}
"""
    + _series()
)
