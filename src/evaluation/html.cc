// SPDX-License-Identifier: Apache-2.0
// HTML pieces and the look of the report.
#include "evaluation/internal/html.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/number_format.h"
#include "plots/figure.h"

namespace millrace::evaluation::internal {
namespace {

// Light, one accent, numbers in tabular figures; one column of cards that also fits a telephone.
constexpr std::string_view kStyle = R"css(
:root{--ink:#1f2937;--soft:#5b6472;--line:#e3e7ed;--ground:#f5f6f8;--card:#fff;--blue:#0072b2;--deep:#0b2f4a;
--ok:#00704f;--ok-bg:#e3f5ee;--warn:#8a5a00;--warn-bg:#fdf3dc;--bad:#a63c00;--bad-bg:#fdebe1}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:60px;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.wide{max-width:1160px;margin:0 auto;padding:0 24px}
header{background:linear-gradient(120deg,var(--deep),#0a5a8c);color:#fff;padding:38px 0 92px}
header .kicker{font-size:12.5px;letter-spacing:.09em;text-transform:uppercase;color:#a9cde4;margin:0 0 6px}
header h1{font-size:31px;line-height:1.2;margin:0 0 8px;font-weight:650;letter-spacing:-.01em}
header p{margin:0;max-width:760px;color:#dcebf5;font-size:16px}
header .verdict{margin-top:16px;color:#fff;font-size:15px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(172px,1fr));gap:14px;margin-top:-62px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:15px 17px;
box-shadow:0 6px 18px rgba(15,40,65,.07)}
.tile .name{font-size:12.5px;color:var(--soft);margin:0}
.tile .value{font-size:27px;line-height:1.25;font-weight:650;margin:1px 0;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.tile .note{font-size:12.5px;color:var(--soft);margin:0}
nav{position:sticky;top:0;z-index:2;background:rgba(245,246,248,.94);backdrop-filter:blur(6px);border-bottom:1px solid var(--line);margin-top:22px}
nav .wide{display:flex;gap:20px;overflow-x:auto;white-space:nowrap;scrollbar-width:none}
nav .wide::-webkit-scrollbar{display:none}
nav a{color:var(--soft);text-decoration:none;font-size:13.5px;padding:12px 0;border-bottom:2px solid transparent}
nav a:hover{color:var(--blue);border-color:var(--blue)}
section{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:24px 26px;margin:20px 0}
h2{font-size:19.5px;margin:0 0 4px;font-weight:650;letter-spacing:-.005em}
h3{font-size:14.5px;margin:22px 0 8px;font-weight:650}
section>p.intro{margin:0 0 16px;color:var(--soft);max-width:820px}
.scroll{overflow-x:auto;margin:0 -4px;padding:0 4px}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th{font-size:12px;font-weight:600;color:var(--soft);text-align:left;padding:8px 20px 8px 0;border-bottom:1px solid #cfd6df;
vertical-align:bottom;white-space:nowrap}
td{padding:8px 20px 8px 0;border-bottom:1px solid #eef1f5;vertical-align:middle}
tr:last-child td{border-bottom:0}
th.n,td.n{text-align:right;white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
table.sort th{cursor:pointer;user-select:none}
table.sort th:hover{color:var(--blue)}
table.sort th[aria-sort=ascending]::after{content:" \2191"}
table.sort th[aria-sort=descending]::after{content:" \2193"}
tr.chosen td{background:#eef6fb;font-weight:600}
tr.chosen td:first-child{box-shadow:inset 3px 0 0 var(--blue);padding-left:10px}
.pill{display:inline-block;font-size:12px;font-weight:600;line-height:1.5;padding:1px 9px;border-radius:99px;white-space:nowrap}
.pill.ok{color:var(--ok);background:var(--ok-bg)}.pill.warn{color:var(--warn);background:var(--warn-bg)}
.pill.bad{color:var(--bad);background:var(--bad-bg)}.pill.note{color:#24557a;background:#e6f1f8}
.pills{display:flex;flex-wrap:wrap;gap:8px;margin:0 0 14px}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:20px}
.grid.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,250px),1fr));gap:14px}
.grid>*{min-width:0}
.narrow{max-width:720px}td:last-child{min-width:150px}td.n:last-child{min-width:0}
figure.plot{margin:0}
figure.plot svg{display:block;width:100%;height:auto}
.grid.small figure.plot{border:1px solid #eef1f5;border-radius:10px}
.key{display:flex;flex-wrap:wrap;gap:6px 18px;font-size:13px;color:var(--soft);margin:0 0 12px}
.key i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:7px;vertical-align:-1px}
.balance{display:flex;height:12px;border-radius:99px;overflow:hidden;background:#dbe8f1;min-width:130px}
.balance i{background:#d55e00}
.strip{position:relative;height:18px;min-width:210px;background:linear-gradient(#e3e7ed,#e3e7ed) 0 50%/100% 1px no-repeat}
.strip i{position:absolute;top:5px;height:8px;border-radius:2px;background:#b9c2cd}
.strip b{position:absolute;top:2px;width:3px;height:14px;margin-left:-1.5px;border-radius:2px;background:#4b5563}
.strip.strong i{background:#7fb8d8}.strip.strong b{background:var(--blue)}
dl{display:grid;grid-template-columns:minmax(120px,max-content) 1fr;gap:6px 22px;margin:0;font-size:14px}
dt{color:var(--soft)}dd{margin:0;min-width:0;overflow-wrap:anywhere}
code,pre{font:13px/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
dd code{color:#24557a}
pre{background:#0f2231;color:#dcebf5;border-radius:10px;padding:14px 16px;overflow-x:auto;margin:0}
footer{color:var(--soft);font-size:13px;padding:6px 0 40px}
@media(max-width:600px){.wide{padding:0 14px}header{padding:26px 0 84px}header h1{font-size:24px}section{padding:18px 15px;border-radius:12px}
.tiles{grid-template-columns:1fr 1fr;gap:10px}.tile{padding:12px 13px}.tile .value{font-size:22px}table{min-width:640px}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:10px}}
@media print{nav{display:none}section{break-inside:avoid}header{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
)css";

// Sorting by a click on a heading; without scripts the tables stay as they are.
constexpr std::string_view kScript = R"js(
document.querySelectorAll('table.sort').forEach(function(table){
  table.querySelectorAll('th').forEach(function(head,column){
    head.tabIndex=0;
    function sort(){
      var down=head.getAttribute('aria-sort')!=='descending';
      table.querySelectorAll('th').forEach(function(other){other.removeAttribute('aria-sort')});
      head.setAttribute('aria-sort',down?'descending':'ascending');
      var body=table.tBodies[0];
      function key(row){
        var text=row.cells[column].textContent.trim();
        var number=parseFloat(text.replace(/,/g,'').replace(/^[<>]\s*/,''));
        return head.classList.contains('n')&&!isNaN(number)?number:text;
      }
      Array.from(body.rows).sort(function(a,b){
        var x=key(a),y=key(b),order=x<y?-1:x>y?1:0;
        return down?-order:order;
      }).forEach(function(row){body.appendChild(row)});
    }
    head.addEventListener('click',sort);
    head.addEventListener('keydown',function(event){if(event.key==='Enter'){sort()}});
  });
});
)js";

}  // namespace

std::string Esc(std::string_view text) {
  return plots::EscapeXml(text);
}

std::string Fixed(double value, int digits) {
  return base::FormatFixed(value, digits);
}

std::string Percent(double share, int digits) {
  return Fixed(share * 100, digits) + "%";
}

std::string WithInterval(const metrics::AucEstimate& estimate) {
  return Fixed(estimate.auc) + " [" + Fixed(estimate.interval.lower) + ", " +
         Fixed(estimate.interval.upper) + "]";
}

std::string PValue(double p) {
  return p < 1e-4 ? "&lt; 0.0001" : Fixed(p, 4);
}

std::string Threshold(double threshold) {
  return std::isfinite(threshold) ? Fixed(threshold) : "nobody";
}

std::string Money(double amount, std::string_view unit) {
  std::string text = base::FormatCount(std::llround(amount));
  if (!unit.empty()) {
    text += " " + Esc(unit);
  }
  return text;
}

HtmlTable::HtmlTable(std::vector<Column> columns, bool is_sortable)
    : columns_(std::move(columns)), is_sortable_(is_sortable) {
}

void HtmlTable::AddRow(std::vector<std::string> cells, std::string_view row_class) {
  body_ += row_class.empty() ? "<tr>" : "<tr class=\"" + std::string(row_class) + "\">";
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    body_ += columns_[i].is_number ? "<td class=\"n\">" : "<td>";
    body_ += (i < cells.size() ? cells[i] : std::string()) + "</td>";
  }
  body_ += "</tr>\n";
}

std::string HtmlTable::ToHtml() const {
  std::string html = "<div class=\"scroll\"><table";
  html += is_sortable_ ? " class=\"sort\"><thead><tr>" : "><thead><tr>";
  for (const Column& column : columns_) {
    html += column.is_number ? "<th class=\"n\">" : "<th>";
    html += Esc(column.title) + "</th>";
  }
  return html + "</tr></thead><tbody>\n" + body_ + "</tbody></table></div>\n";
}

std::string Pill(std::string_view kind, std::string_view text) {
  const std::string_view sign = kind == "ok"     ? "✓ "
                                : kind == "warn" ? "! "
                                : kind == "bad"  ? "✕ "
                                                 : "";
  return "<span class=\"pill " + std::string(kind) + "\">" + std::string(sign) + Esc(text) +
         "</span>";
}

std::string Tile(std::string_view name, std::string_view value, std::string_view note) {
  return "<div class=\"tile\"><p class=\"name\">" + Esc(name) + "</p><p class=\"value\">" +
         Esc(value) + "</p><p class=\"note\">" + Esc(note) + "</p></div>\n";
}

std::string Section(std::string_view id, std::string_view title, std::string_view intro,
                    std::string_view body) {
  std::string html = "<section id=\"" + std::string(id) + "\"><h2>" + Esc(title) + "</h2>\n";
  if (!intro.empty()) {
    html += "<p class=\"intro\">" + std::string(intro) + "</p>\n";
  }
  return html + std::string(body) + "</section>\n";
}

std::string Grid(const std::vector<std::string>& items, std::string_view extra_class) {
  std::string html = "<div class=\"grid";
  html += extra_class.empty() ? "\">\n" : " " + std::string(extra_class) + "\">\n";
  for (const std::string& item : items) {
    html += item;
  }
  return html + "</div>\n";
}

std::string Strip(double low, double high, const metrics::Interval& interval, double center,
                  bool is_strong) {
  const auto place = [&](double value) {
    return Fixed(std::clamp((value - low) / (high - low), 0.0, 1.0) * 100, 2);
  };
  const double left = std::clamp((interval.lower - low) / (high - low), 0.0, 1.0);
  const double right = std::clamp((interval.upper - low) / (high - low), 0.0, 1.0);
  return std::string("<div class=\"strip") + (is_strong ? " strong" : "") +
         "\"><i style=\"left:" + place(interval.lower) +
         "%;width:" + Fixed(std::max(0.4, (right - left) * 100), 2) +
         "%\"></i><b style=\"left:" + place(center) + "%\"></b></div>";
}

std::string_view StyleSheet() {
  return kStyle;
}

std::string_view Script() {
  return kScript;
}

}  // namespace millrace::evaluation::internal
