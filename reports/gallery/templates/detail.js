
/* One image, or one pair, in full. */
function show(place) {
  if (place < 0 || place >= state.shown.length) return;
  state.open = place;
  const card = state.shown[place], views = make("div", many ? "views two" : "views");
  card.sides.forEach((side, run) => views.append(view(side, run)));
  $("place").textContent = `${place + 1} of ${state.shown.length}`;
  $("before").disabled = place === 0;
  $("after").disabled = place === state.shown.length - 1;
  $("body").replaceChildren(make("h2", "", card.any.prompt), views);
  if (!$("detail").open) $("detail").showModal();
  $("detail").scrollTop = 0;
  address();
}
function view(side, run) {
  const node = make("section", "view boxes"), left = make("div"), right = make("div");
  if (many) left.append(make("p", "who", data.runs[run].name));
  left.append(picture(side, true));
  node.append(left, right);
  if (!side) return node;
  right.append(verdict(side));
  if (side.reason) right.append(make("p", "reason", side.reason));
  if (data.runs[run].metrics.length) right.append(make("h3", "", "Rewards, and their rank among this run's images"), rewards(side, run));
  if (side.unscored) right.append(make("p", "reason", side.unscored));
  if (side.questions.length) right.append(make("h3", "", "Questions, and the probability of the right answer"), questions(side));
  if (side.boxes.length) right.append(make("h3", "", "Objects found"), objects(side, left.querySelector("svg")));
  right.append(make("h3", "", "About"), facts(side));
  return node;
}
function rewards(side, run) {
  const table = make("div", "bars");
  for (const metric of data.metrics) {
    const value = reward(side, run, metric.id), name = make("span", "", metric.id), bar = make("span", "bar");
    name.title = `${metric.title}; ${metric.scale}`;
    if (value !== null) bar.append(filled(shareBelow(run, metric.id, value)));
    const number = make("span", "", value === null ? "unscored" : short(value));
    if (value !== null && metric.normal) number.title = `MIRO-normalised ${((value + metric.normal[0]) / metric.normal[1]).toFixed(4)}`;
    const change = two && run === 1 ? valueOf(state.shown[state.open], metric.id) : null;
    if (change !== null) number.append(make("small", "", ` ${gain(change, metric)}`));
    table.append(name, bar, number);
  }
  return table;
}
function questions(side) {
  const table = make("div", "bars questions");
  for (const [question, answer, skill, p] of side.questions) {
    const name = make("span", "", `${question} ${answer}.`), bar = make("span", "bar");
    name.title = skill;
    bar.append(filled(p));
    table.append(name, bar, make("span", "", p.toFixed(3)));
  }
  return table;
}
function filled(share) {
  const part = make("i");
  part.style.width = `${Math.round(1000 * share) / 10}%`;
  return part;
}
function objects(side, boxes) {
  const list = make("ul", "objects"), asked = (box) => side.asked.includes(box[0]);
  const places = [...side.boxes.keys()].sort((a, b) => asked(side.boxes[b]) - asked(side.boxes[a]) || a - b);
  for (const place of places) list.append(object(side.boxes[place], asked(side.boxes[place]), place, boxes));
  return list;
}
function object(box, asked, place, boxes) {
  const line = make("li"), light = (on) => {
    for (const shape of boxes.querySelectorAll("rect")) {
      const mine = Number(shape.dataset.place) === place;
      shape.classList.toggle("lit", on && mine);
      shape.classList.toggle("dim", on && !mine);
    }
  };
  line.tabIndex = 0;
  for (const [event, on] of [["mouseenter", true], ["focus", true], ["mouseleave", false], ["blur", false]]) line.addEventListener(event, () => light(on));
  line.append(make("b", asked ? "asked" : "", box[0]), make("span", "", box[5].toFixed(3)));
  line.title = likeliest(box[6]).map(([color, share]) => `${color} ${share.toFixed(3)}`).join(", ");
  for (const [color, share] of likeliest(box[6]).slice(0, 3)) {
    const told = make("span", "", `${color} ${share.toFixed(2)}`), swatch = make("i", "swatch");
    swatch.style.background = color;
    told.prepend(swatch);
    line.append(told);
  }
  return line;
}
function likeliest(shares) {
  if (!shares) return [];
  return shares.map((share, place) => [data.colors[place], share]).sort((a, b) => b[1] - a[1]);
}
function facts(side) {
  const table = make("dl", "facts");
  const known = { tag: side.tag, seed: side.seed, sample: side.sample, file: side.file };
  for (const [name, value] of Object.entries(known)) {
    if (value !== "" && value !== null) table.append(make("dt", "", name), make("dd", "", value));
  }
  return table;
}

