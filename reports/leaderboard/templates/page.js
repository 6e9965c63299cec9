
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
document.getElementById("find").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const row of document.querySelectorAll("tbody tr")) row.hidden = !row.querySelector(".name").textContent.toLowerCase().includes(wanted);
});
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = (root.dataset.theme ?? (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
});
