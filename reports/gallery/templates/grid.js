
/* One picture with its boxes; where the file is missing, a frame that says so. */
function picture(side, large) {
  const whole = make("div", "whole"), frame = make("div", "picture");
  whole.append(frame);
  if (!side) { absent(frame, "not in this run"); return whole; }
  const boxes = overlay(side);
  if (side.image === null) absent(frame, `image not found: ${side.file}`);
  else frame.append(loaded(side, frame, boxes, large));
  frame.append(boxes);
  return whole;
}
function loaded(side, frame, boxes, large) {
  const image = make("img");
  if (!large) image.loading = "lazy";
  image.decoding = "async";
  image.alt = side.prompt;
  image.addEventListener("load", () => {
    /* Boxes refer to the whole image, which a copy may be smaller than. */
    const [width, height] = side.size ?? [image.naturalWidth, image.naturalHeight];
    fit(boxes, width, height);
    if (large && height) frame.style.aspectRatio = `${width} / ${height}`;
    frame.classList.toggle("small", width < 200);
  });
  image.addEventListener("error", () => { image.remove(); absent(frame, `image cannot be shown: ${side.file}`); });
  image.src = side.image;
  return image;
}
function absent(frame, words) {
  frame.classList.add("absent");
  frame.after(make("p", "missing", words));
}
function overlay(side) {
  /* Without its image, a picture is taken to be as large as the usual size that holds all boxes. */
  const reach = Math.max(1, ...side.boxes.flatMap((box) => [box[3], box[4]]));
  const size = [64, 128, 256, 512, 768, 1024, 1536, 2048].find((usual) => usual >= reach) ?? reach;
  const boxes = drawn("svg", { "aria-hidden": "true", preserveAspectRatio: "xMidYMid meet" });
  fit(boxes, size, size);
  side.boxes.forEach(([name, x1, y1, x2, y2], place) => {
    const box = { x: x1, y: y1, width: Math.max(1, x2 - x1), height: Math.max(1, y2 - y1) };
    const shape = drawn("rect", { ...box, class: side.asked.includes(name) ? "asked" : "other" });
    shape.dataset.place = place;
    side.asked.includes(name) ? boxes.append(shape) : boxes.prepend(shape);
  });
  return boxes;
}
const fit = (boxes, width, height) => { if (width && height) boxes.setAttribute("viewBox", `0 0 ${width} ${height}`); };

function verdict(side) {
  if (!side) return make("span", "verdict none", "not in this run");
  if (side.correct === null) return make("span", "verdict none", side.tag ? "○ unscored" : judged ? "no verdict" : "");
  return make("span", `verdict ${side.correct ? "right" : "wrong"}`, side.correct ? "✓ right" : "✗ wrong");
}
const short = (value) => (value === null ? "none" : value.toFixed(Math.abs(value) >= 10 ? 2 : 4));
/* The second run's value minus the first's, with its sign and what it means. */
function gain(value, metric) {
  if (value === null) return "none";
  const word = metric.lower === null || value === 0 ? "" : value > 0 === !metric.lower ? ", better" : ", worse";
  return `${value > 0 ? "+" : value < 0 ? "\u2212" : "\u00b1"}${short(Math.abs(value))}${word}`;
}
function thumbnail(card) {
  const node = make("button", "card");
  node.type = "button";
  node.setAttribute("aria-label", [card.any.prompt, card.outcome].filter(Boolean).join(": "));
  const sides = make("div", "sides"), words = make("div", "words"), about = make("div", "about");
  card.sides.forEach((side, run) => sides.append(sideOf(side, run)));
  words.append(make("span", "prompt", card.any.prompt));
  if (!many && card.any.reason) words.append(make("span", "reason", card.any.reason));
  const sorted = data.metrics.find((known) => known.id === $("sort").value), value = sorted && valueOf(card, sorted.id);
  about.append(make("span", isFlip(card) ? "flip" : "", many ? card.outcome : card.any.tag));
  about.append(make("span", "", sorted ? `${sorted.id} ${many ? gain(value, sorted) : short(value)}` : many ? card.any.tag : ""));
  words.append(about);
  data.rows ? node.append(words, sides) : node.append(sides, words);
  node.addEventListener("click", () => show(state.shown.indexOf(card)));
  return node;
}
function sideOf(side, run) {
  const node = make("div", "side"), words = make("div", "words");
  if (data.rows && many) words.append(make("span", "who", data.runs[run].name));
  words.append(verdict(side));
  if (many && side && side.reason) words.append(make("span", "reason", side.reason));
  node.append(picture(side, false), words);
  return node;
}

/* The grid grows as one scrolls. */
function refresh() {
  state.shown = order(chosen());
  state.drawn = 0;
  $("grid").replaceChildren();
  const total = cards.length.toLocaleString("en"), kind = two ? "pairs" : many ? "rows" : "images";
  address();
  $("count").textContent = `${state.shown.length.toLocaleString("en")} of ${total} ${kind}`;
  if (!state.shown.length) $("grid").append(make("p", "empty", "Nothing matches. Clear a filter to see more."));
  grow();
}
function grow() {
  const next = state.shown.slice(state.drawn, state.drawn + PAGE);
  $("grid").append(...next.map(thumbnail));
  state.drawn += next.length;
}
new IntersectionObserver((seen) => {
  if (seen.some((entry) => entry.isIntersecting) && state.drawn < state.shown.length) {
    grow();
    /* An observer speaks only when something changes: ask anew, as a page may not have filled the window. */
    const end = $("end");
    end.remove();
    $("grid").after(end);
  }
}, { rootMargin: "1200px" }).observe($("end"));

