
/* The tools. */
function chips(place, names, counts, kind) {
  for (const name of names.filter((one) => counts.get(one))) {
    const chip = make("button", "chip", name);
    chip.type = "button";
    chip.dataset.name = name;
    chip.setAttribute("aria-pressed", "false");
    chip.append(make("small", "", counts.get(name).toLocaleString("en")));
    chip.addEventListener("click", () => {
      const set = state[kind], on = !set.has(name);
      on ? set.add(name) : set.delete(name);
      chip.setAttribute("aria-pressed", String(on));
      refresh();
    });
    place.append(chip);
  }
  place.hidden = !place.querySelector(".chip");
}
function counted(key) {
  const counts = new Map();
  for (const card of cards) counts.set(key(card), (counts.get(key(card)) ?? 0) + 1);
  return counts;
}
function option(select, value, text) {
  const node = make("option", "", text);
  node.value = value;
  select.append(node);
}
function summary(run) {
  const judged = run.records.filter((record) => record.correct !== null), right = judged.filter((record) => record.correct).length;
  const images = `${run.records.length.toLocaleString("en")} images`;
  const share = judged.length ? `, ${right.toLocaleString("en")} of ${judged.length.toLocaleString("en")} right` : "";
  return `${many ? `${run.name}: ` : ""}${images}${share}`;
}
function prepare() {
  const flips = cards.filter(isFlip).length;
  $("summary").textContent = [...(data.runs.length > 4 ? [] : data.runs.map(summary)), ...(many && judged ? [`${flips.toLocaleString("en")} verdicts flip`] : [])].join(" · ");
  $("grid").className = data.rows ? "two rows" : two ? "two" : "";
  chips($("tags"), data.tags, counted((card) => card.any.tag), "tags");
  chips($("verdicts"), OUTCOMES, counted((card) => card.outcome), "outcomes");
  option($("sort"), "place", many && judged ? "changed verdicts first" : "prompt number");
  option($("sort"), "prompt", "prompt text");
  if (judged) option($("sort"), "verdict", "verdict");
  else for (const one of [$("tags"), $("verdicts"), document.querySelector(".check")]) one.style.display = "none";
  for (const metric of data.metrics) {
    const way = metric.lower === null ? "" : ` (${metric.lower ? "lower" : "higher"} is better)`;
    option($("sort"), metric.id, many ? `change in ${metric.id}${way}` : metric.id);
    option($("metric"), metric.id, metric.id);
  }
  document.querySelector(".range").hidden = !data.metrics.length;
  document.querySelector(".range").style.display = data.metrics.length ? "" : "none";
}
function turn(falling) {
  state.falling = falling;
  $("direction").textContent = falling ? "↓" : "↑";
  $("direction").title = falling ? "highest or last first" : "lowest or first first";
}
function clear() {
  $("filters").reset();
  state.tags.clear();
  state.outcomes.clear();
  for (const chip of document.querySelectorAll(".chip")) chip.setAttribute("aria-pressed", "false");
  document.body.classList.remove("boxed");
  turn(false);
  refresh();
}
/* The page's address names filters, order and the image that is open, so that it can be sent to somebody. */
const FIELDS = ["find", "sort", "metric", "least", "most"];
function address() {
  const query = new URLSearchParams();
  for (const id of FIELDS) if ($(id).value && $(id).selectedIndex !== 0) query.set(id, $(id).value);
  for (const tag of state.tags) query.append("tag", tag);
  for (const outcome of state.outcomes) query.append("verdict", outcome);
  if (state.falling) query.set("order", "falling");
  if ($("detail").open) {
    query.set("prompt", state.shown[state.open].any.key);
    if (state.shown[state.open].any.sample !== null) query.set("sample", state.shown[state.open].any.sample);
  }
  const text = query.toString();
  if (text !== location.hash.slice(1)) history.replaceState(null, "", `${location.pathname}${text && `#${text}`}`);
}
function follow() {
  const query = new URLSearchParams(location.hash.slice(1));
  $("detail").close();
  $("filters").reset();
  state.tags = new Set(query.getAll("tag"));
  state.outcomes = new Set(query.getAll("verdict"));
  for (const id of FIELDS) if (query.has(id)) $(id).value = query.get(id);
  for (const select of [$("sort"), $("metric")]) select.selectedIndex = Math.max(0, select.selectedIndex);
  for (const chip of document.querySelectorAll(".chip")) {
    chip.setAttribute("aria-pressed", String(state.tags.has(chip.dataset.name) || state.outcomes.has(chip.dataset.name)));
  }
  turn(query.get("order") === "falling");
  refresh();
  const key = query.get("prompt"), sample = query.get("sample");
  if (key !== null) show(state.shown.findIndex(({ any }) => any.key === key && (sample === null || String(any.sample) === sample)));
}
function listen() {
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["find", "least", "most"]) $(id).addEventListener("input", refresh);
  $("metric").addEventListener("change", refresh);
  $("sort").addEventListener("change", () => { turn(data.metrics.some((metric) => metric.id === $("sort").value)); refresh(); });
  $("direction").addEventListener("click", () => { turn(!state.falling); refresh(); });
  $("boxes").addEventListener("change", () => document.body.classList.toggle("boxed", $("boxes").checked));
  $("clear").addEventListener("click", clear);
  $("before").addEventListener("click", () => show(state.open - 1));
  $("after").addEventListener("click", () => show(state.open + 1));
  $("close").addEventListener("click", () => $("detail").close());
  $("detail").addEventListener("click", (event) => { if (event.target === $("detail")) $("detail").close(); });
  $("detail").addEventListener("close", () => { if (!$("detail").open) { address(); $("grid").children[state.open]?.focus(); } });
  addEventListener("hashchange", follow);
  $("theme").addEventListener("click", () => {
    const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = (root.dataset.theme ?? (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
  });
  document.addEventListener("keydown", keyed);
}
function keyed(event) {
  if ($("detail").open) {
    if (event.key === "ArrowLeft") show(state.open - 1);
    if (event.key === "ArrowRight") show(state.open + 1);
    return;
  }
  if (event.key === "/" && !["INPUT", "SELECT"].includes(document.activeElement.tagName)) {
    event.preventDefault();
    $("find").focus();
  }
  move(event);
}
/* Arrows walk over the grid. */
function move(event) {
  const here = [...$("grid").children].indexOf(document.activeElement);
  if (here < 0) return;
  const columns = getComputedStyle($("grid")).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  const next = step && $("grid").children[here + step];
  if (next) { event.preventDefault(); next.focus(); }
}
prepare();
listen();
follow();
