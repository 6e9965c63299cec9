
"use strict";
const compare = new Intl.Collator(undefined, { numeric: true }).compare;
function key(row, column) {
  const text = row.children[column].dataset.sort ?? "";
  return { text, number: text === "" || text === "<NA>" ? NaN : Number(text) };
}
function order(column, numeric, direction) {
  return (left, right) => {
    const a = key(left, column), b = key(right, column);
    if (!numeric) return direction * compare(a.text, b.text);
    if (Number.isNaN(a.number) || Number.isNaN(b.number)) return Number.isNaN(a.number) - Number.isNaN(b.number);
    return direction * (a.number - b.number);
  };
}
function sort(head) {
  const table = head.closest("table"), body = table.tBodies[0];
  const numeric = head.classList.contains("number"), first = numeric && head.textContent.trim() !== "rank" ? "descending" : "ascending";
  const other = first === "ascending" ? "descending" : "ascending";
  const wanted = head.getAttribute("aria-sort") === first ? other : first;
  for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", wanted);
  body.append(...[...body.rows].sort(order(head.cellIndex, numeric, wanted === "ascending" ? 1 : -1)));
}
for (const button of document.querySelectorAll("thead button")) button.addEventListener("click", () => sort(button.closest("th")));
const find = document.getElementById("find"), against = document.getElementById("against");
/* Each run minus the one chosen, within its section: what stands in different ones was not made alike. */
function relate(table, name) {
  const heads = table.tHead.rows[0].cells, rows = [...table.tBodies[0].rows];
  const base = rows.find((row) => row.dataset.model === name);
  table.classList.toggle("related", Boolean(base));
  for (const cell of rows.flatMap((row) => [...row.cells])) {
    const way = heads[cell.cellIndex].dataset.better, shown = cell.firstElementChild;
    if (way === undefined || !shown) continue;
    shown.dataset.text ??= shown.textContent;
    const other = base && base !== cell.parentNode && cell.dataset.sort && base.cells[cell.cellIndex].dataset.sort;
    const change = other ? Number(cell.dataset.sort) - Number(other) : 0;
    shown.textContent = other ? `${change > 0 ? "+" : change < 0 ? "\u2212" : "\u00b1"}${Math.abs(change).toFixed(4)}` : shown.dataset.text;
    shown.classList.toggle("better", change * way > 0);
    shown.classList.toggle("worse", change * way < 0);
  }
}
/* The page's address names what is looked for and compared, so that it can be sent to somebody. */
function refresh() {
  const wanted = find.value.toLowerCase(), query = new URLSearchParams();
  for (const row of document.querySelectorAll("tbody tr")) row.hidden = !`${row.querySelector(".name").textContent} ${row.dataset.about}`.toLowerCase().includes(wanted);
  for (const table of document.querySelectorAll(".scores")) relate(table, against?.value);
  if (find.value) query.set("find", find.value);
  if (against?.value) query.set("against", against.value);
  const text = query.toString();
  if (text !== location.hash.slice(1)) history.replaceState(null, "", `${location.pathname}${text && `#${text}`}`);
}
function follow() {
  const query = new URLSearchParams(location.hash.slice(1));
  find.value = query.get("find") ?? "";
  if (against) { against.value = query.get("against") ?? ""; against.selectedIndex = Math.max(0, against.selectedIndex); }
  refresh();
}
find.addEventListener("input", refresh);
against?.addEventListener("change", refresh);
addEventListener("hashchange", follow);
follow();
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = (root.dataset.theme ?? (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
});
