// The report's HTML: escaping and the style sheet.
#pragma once

#include <string>
#include <string_view>

#include <advprop/core/linkage.hpp>

namespace advprop::html {

/// Text as it may stand between tags and in quoted attributes; control characters, which HTML forbids, become U+FFFD.
ADVPROP_API std::string escape(std::string_view text);

/// `<tag class="classes">body</tag>`; the body is HTML already.
ADVPROP_API std::string element(std::string_view tag, std::string_view classes, std::string_view body);

/// Colours --s0 .. --s7 are Okabe and Ito's, which colour-blind people can tell apart ("Color Universal Design", 2008),
/// darkened or lightened where the ground asks for it.
inline constexpr std::string_view style = R"css(
:root { color-scheme: light dark;
  --ground: #ffffff; --panel: #f7f7f5; --edge: #e3e2de; --text: #1d1d1f; --soft: #62626a;
  --grid: #e4e3df; --heat: #0072b2; --miss: #d55e00; --good: #00795a; --bar: #dbe9f3;
  --s0: #0072b2; --s1: #d55e00; --s2: #009e73; --s3: #b3548c; --s4: #c98a00;
  --s5: #3a9bd6; --s6: #6b6b6b; --s7: #8a6d00; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #131417; --panel: #1b1d21; --edge: #2c2f35; --text: #ececee; --soft: #a2a4ab;
  --grid: #2d3036; --heat: #4aa8e0; --miss: #ff8b3d; --good: #4fd1a5; --bar: #1f3a4d;
  --s0: #56b4e9; --s1: #ff8b3d; --s2: #2fc79a; --s3: #e094c2; --s4: #f0b429;
  --s5: #3f8fd0; --s6: #b4b4b4; --s7: #d8c24a; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 70rem; background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif; }
h1 { font-size: 2.1rem; line-height: 1.15; letter-spacing: -0.02em; margin: 0; text-wrap: balance; }
h2 { font-size: 1.3rem; letter-spacing: -0.01em; margin: 3rem 0 0.25rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 0.6rem; }
p { margin: 0.25rem 0; max-width: 56rem; }
.soft, .lead { color: var(--soft); }
.lead { font-size: 1.05rem; margin-top: 0.5rem; max-width: 56rem; text-wrap: balance; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem;
  margin-top: 1rem; }
.thirds { grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
.grid > figure:only-child { max-width: 36rem; }
figure, .card { margin: 0; padding: 1rem 1rem 0.75rem; background: var(--panel); border: 1px solid var(--edge);
  border-radius: 10px; min-width: 0; break-inside: avoid; }
figcaption { font-weight: 600; }
figure svg { display: block; width: 100%; height: auto; margin-top: 0.4rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0.1rem 1.1rem; list-style: none; margin: 0.15rem 0 0; padding: 0;
  font-size: 0.875rem; color: var(--soft); }
.legend li { display: flex; align-items: center; gap: 0.4rem; }
.legend b { color: var(--text); font-weight: 600; font-variant-numeric: tabular-nums; }
.swatch, figure svg.swatch { width: 22px; height: 12px; flex: none; margin: 0; display: inline-block; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1rem; margin-top: 1.5rem; }
.tile b { display: block; font-size: 2rem; line-height: 1.2; letter-spacing: -0.02em; font-weight: 650; }
.tile b small { font-size: 1.1rem; font-weight: 500; color: var(--soft); letter-spacing: 0; }
.tile span { color: var(--soft); font-size: 0.9rem; }
.scroll { overflow-x: auto; margin-top: 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.5rem 0.75rem; border-bottom: 1px solid var(--edge); vertical-align: baseline; }
.results { table-layout: fixed; min-width: 31rem; } .results th:first-child { width: 28%; }
.results small { display: block; white-space: normal; } .results td.bar { background-size: var(--share) calc(100% - 0.8rem); }
thead th { color: var(--soft); font-weight: 500; font-size: 0.875rem; }
tbody th { font-weight: 600; }
.num { text-align: right; } td.num { white-space: nowrap; }
.best { font-weight: 700; }
td small { font-weight: 400; }
td.bar { background: linear-gradient(var(--bar), var(--bar)) no-repeat left 50% / var(--share) 1.7em; }
.results th, .results td { vertical-align: middle; }
.settings { font-size: 0.925rem; }
.settings tbody th { color: var(--soft); font-weight: 500; white-space: nowrap; }
.settings td { overflow-wrap: anywhere; }
.key { display: inline-block; width: 0.7em; height: 0.7em; border-radius: 2px; margin-right: 0.5em; }
.row { display: grid; grid-template-columns: 1fr auto 1fr auto 1fr; gap: 0.25rem 0.5rem; align-items: center; }
.row img { display: block; width: 100%; height: auto; image-rendering: pixelated; border-radius: 6px; }
.row i { font-style: normal; color: var(--soft); font-size: 1.3rem; }
.row span { font-size: 0.85rem; line-height: 1.3; align-self: start; overflow-wrap: anywhere; }
.row span b { display: block; }
.thumbs { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); gap: 0.9rem; margin-top: 0.8rem; }
.thumb img { display: block; width: 100%; height: auto; image-rendering: pixelated; border-radius: 6px; }
.thumb b, .thumb span { display: block; font-size: 0.85rem; line-height: 1.3; overflow-wrap: anywhere; }
.thumb b { margin-top: 0.3rem; font-weight: 600; } .thumb span { color: var(--soft); }
.card h4 { margin: 0 0 0.6rem; font-size: 0.95rem; }
.right { color: var(--good); } .wrong { color: var(--miss); }
.sure { display: block; height: 4px; border-radius: 2px; background: var(--edge); margin: 0.2rem 0; }
.sure u { display: block; height: 4px; border-radius: 2px; background: currentColor; }
footer { margin-top: 3rem; color: var(--soft); font-size: 0.875rem; }
text { font-size: 12.5px; fill: var(--soft); font-family: inherit; font-variant-numeric: tabular-nums; }
text.end { text-anchor: end; } text.mid { text-anchor: middle; } text.name { font-weight: 600; }
.rule { stroke: var(--grid); stroke-width: 1; } .base { stroke: var(--soft); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.band { opacity: 0.18; }
.mark { stroke: var(--panel); stroke-width: 1; }
.hit rect { fill: transparent; } .hit line, .hit path { opacity: 0; } .hit:hover line, .hit:hover path { opacity: 1; }
.hit line { stroke: var(--soft); stroke-dasharray: 2 3; }
.cell { stroke: none; } .cell.hitrate { fill: var(--heat); } .cell.error { fill: var(--miss); }
.cell.none { fill: var(--grid); fill-opacity: 0.35; }
.count { text-anchor: middle; font-size: 11px; fill: var(--text); pointer-events: none; }
.count.over { fill: var(--ground); font-weight: 600; }
@media (max-width: 40rem) { body { padding: 1.5rem 0.9rem 3rem; } h1 { font-size: 1.65rem; } h2 { margin-top: 2.25rem; }
  figure, .card { padding: 0.75rem 0.6rem 0.5rem; } text { font-size: 14px; } .count { font-size: 12px; }
  .results th:first-child { width: 24%; }
  th, td { padding: 0.45rem 0.5rem; } .tile b { font-size: 1.6rem; } }
@media print { @page { margin: 14mm; } body { padding: 0; max-width: none; font-size: 10pt; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } h2, h3 { break-after: avoid; }
  tr, .tile { break-inside: avoid; } }
)css";

/// Style of the colour classes: stroke and fill of series 0 .. 7.
ADVPROP_API std::string series_style();

}  // namespace advprop::html

#if ADVPROP_HEADER_ONLY
#include <advprop/io/report/html.inl>
#endif
