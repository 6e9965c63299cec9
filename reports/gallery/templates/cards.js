
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const two = data.runs.length === 2, many = data.runs.length > 1, PAGE = data.rows ? 20 : 60;
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/* Text enters the page as text alone, never as markup. */
function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}
function drawn(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/* Without GenEval's verdicts, as of GenEval 2, the page says nothing of verdicts, tags and boxes. */
const judged = data.runs.some((run) => run.records.some((record) => record.correct !== null || record.tag));
const cards = data.cards.map((places, number) => {
  const sides = places.map((place, run) => (place === null ? null : data.runs[run].records[place]));
  const any = sides.find((side) => side !== null);
  const words = sides.flatMap((side) => (side ? [side.prompt, side.reason, side.file, side.unscored] : []));
  return { number, sides, any, outcome: outcomeOf(sides), find: words.join("\n").toLowerCase() };
});
function outcomeOf(sides) {
  if (!judged) return "";
  const verdicts = sides.map((side) => (side ? side.correct : null));
  if (!many) return verdicts[0] === null ? "unscored" : verdicts[0] ? "right" : "wrong";
  if (verdicts.includes(null)) return "unscored";
  if (new Set(verdicts).size === 1) return `${two ? "both" : "all"} ${verdicts[0] ? "right" : "wrong"}`;
  if (!two) return "verdicts differ";
  return verdicts[0] ? "only first right" : "only second right";
}
const OUTCOMES = !judged ? [] : !many ? ["right", "wrong", "unscored"] : two
  ? ["only first right", "only second right", "both right", "both wrong", "unscored"] : ["verdicts differ", "all right", "all wrong", "unscored"];
const isFlip = (card) => card.outcome.startsWith("only") || card.outcome === "verdicts differ";
function reward(side, run, metric) {
  const place = data.runs[run].metrics.indexOf(metric);
  return side && place >= 0 ? side.rewards[place] : null;
}
/* With several runs a card's value is the last one's minus the first's. */
function valueOf(card, metric) {
  const values = card.sides.map((side, run) => reward(side, run, metric));
  const first = values[0], last = values[values.length - 1];
  if (!many) return first;
  return first === null || last === null ? null : last - first;
}
const ranked = new Map();
function shareBelow(run, metric, value) {
  const key = `${run}/${metric}`;
  if (!ranked.has(key)) {
    const all = data.runs[run].records.map((record) => reward(record, run, metric)).filter((found) => found !== null);
    ranked.set(key, Float64Array.from(all).sort());
  }
  const all = ranked.get(key);
  let low = 0, high = all.length;
  while (low < high) { const middle = (low + high) >> 1; if (all[middle] < value) low = middle + 1; else high = middle; }
  return all.length > 1 ? low / (all.length - 1) : 1;
}

/* What is asked for. */
const state = { tags: new Set(), outcomes: new Set(), falling: false, shown: [], drawn: 0, open: -1 };
function inRange(card, metric, least, most) {
  if (Number.isNaN(least) && Number.isNaN(most)) return true;
  return card.sides.some((side, run) => {
    const value = reward(side, run, metric);
    return value !== null && !(value < least) && !(value > most);
  });
}
function chosen() {
  const text = $("find").value.trim().toLowerCase(), metric = $("metric").value;
  const least = $("least").valueAsNumber, most = $("most").valueAsNumber;
  return cards.filter((card) => (!state.tags.size || state.tags.has(card.any.tag))
    && (!state.outcomes.size || state.outcomes.has(card.outcome))
    && (!text || card.find.includes(text)) && inRange(card, metric, least, most));
}
function order(list) {
  const by = $("sort").value, turn = state.falling ? -1 : 1;
  const plain = { place: (card) => card.number, prompt: (card) => card.any.prompt, verdict: (card) => OUTCOMES.indexOf(card.outcome) };
  const key = plain[by] ?? ((card) => valueOf(card, by));
  const keyed = list.map((card) => [key(card), card]);
  keyed.sort(([a, left], [b, right]) => {
    if (a === null || b === null) return (a === null) - (b === null) || left.number - right.number;
    return (a < b ? -turn : a > b ? turn : 0) || left.number - right.number;
  });
  return keyed.map(([, card]) => card);
}

