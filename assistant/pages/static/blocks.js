/* Text with lists, steps and small tables, as elements. Offsets are code points of the text, as the API counts. */
import { make } from "./dom.js";

const ITEM = /^- /;
const STEP = /^(\d{1,3})\. /;
const ROW = /^\|.*\|\s*$/;
const RULE = /^\|[\s|:-]+\|\s*$/;

function linesOf(points) {
  const lines = [];
  let start = 0;
  for (let at = 0; at <= points.length; at += 1) {
    if (at === points.length || points[at] === "\n") {
      lines.push({ start, end: at, text: points.slice(start, at).join("") });
      start = at + 1;
    }
  }
  return lines;
}

/* inserts: [{at, node}]; ranges: [{start, end, wrap: () => element}], not overlapping. */
export function blocks(text, inserts = [], ranges = []) {
  const points = Array.from(text);
  const lines = linesOf(points).filter((line) => line.text.trim());
  const todo = settle(inserts, lines, points.length);
  const root = document.createDocumentFragment();
  let open = null;
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index];
    const step = STEP.exec(line.text);
    if (ITEM.test(line.text)) {
      open = into(root, open, "ul");
      open.append(inline(make("li"), points, line.start + 2, line.end, todo, ranges));
    } else if (step) {
      open = into(root, open, "ol");
      const item = make("li");
      item.value = Number(step[1]);
      open.append(inline(item, points, line.start + step[0].length, line.end, todo, ranges));
    } else if (ROW.test(line.text)) {
      const rows = [];
      while (index < lines.length && ROW.test(lines[index].text)) rows.push(lines[index++]);
      index -= 1;
      open = null;
      root.append(table(rows, points, todo, ranges));
    } else {
      open = null;
      root.append(inline(make("p"), points, line.start, line.end, todo, ranges));
    }
  }
  return root;
}

/* Each insert belongs to the line that ends at or after it; what lies beyond the text goes to its end. */
function settle(inserts, lines, length) {
  return inserts.map(({ at, node }) => {
    const wanted = Math.max(0, Math.min(at, length));
    const line = lines.find(({ start, end }) => wanted > start && wanted <= end)
      || lines.find(({ end }) => end >= wanted) || lines[lines.length - 1];
    return { at: line ? Math.max(line.start, Math.min(wanted, line.end)) : 0, line, node, done: false };
  });
}

function into(root, open, tag) {
  if (open && open.localName === tag) return open;
  const list = make(tag);
  root.append(list);
  return list;
}

function inline(parent, points, start, end, inserts, ranges) {
  const cuts = new Set([start, end]);
  const mine = inserts.filter((one) => !one.done && one.line && one.line.start <= start && one.at <= end && one.line.end >= end);
  mine.forEach((one) => cuts.add(Math.max(start, one.at)));
  ranges.forEach((range) => [range.start, range.end].forEach((at) => { if (at > start && at < end) cuts.add(at); }));
  const places = Array.from(cuts).sort((a, b) => a - b);
  places.forEach((at, index) => {
    mine.filter((one) => !one.done && Math.max(start, one.at) === at).forEach((one) => { one.done = true; parent.append(one.node); });
    const next = places[index + 1];
    if (next === undefined) return;
    const piece = points.slice(at, next).join("");
    const range = ranges.find((one) => one.start <= at && one.end >= next);
    if (!range) parent.append(piece);
    else {
      const wrap = range.wrap();
      wrap.append(piece);
      parent.append(wrap);
    }
  });
  return parent;
}

function table(rows, points, inserts, ranges) {
  const head = rows.length > 1 && RULE.test(rows[1].text);
  const made = make("table");
  rows.filter((row) => !RULE.test(row.text)).forEach((row, index) => {
    const tr = make("tr");
    let at = row.start + 1;
    const cells = row.text.trim().slice(1, -1).split("|");
    cells.forEach((cell) => {
      const size = Array.from(cell).length;
      const lead = Array.from(cell).length - Array.from(cell.trimStart()).length;
      const element = make(head && index === 0 ? "th" : "td");
      if (head && index === 0) element.scope = "col";
      tr.append(inline(element, points, at + lead, at + lead + Array.from(cell.trim()).length, inserts, ranges));
      at += size + 1;
    });
    const rest = inserts.filter((one) => !one.done && one.line === row);
    rest.forEach((one) => { one.done = true; tr.lastChild.append(one.node); });
    made.append(tr);
  });
  const wrap = make("div", "tablewrap", made);
  wrap.tabIndex = 0;
  return wrap;
}

/* Where `words` first stand in `text`, in code points; null when they do not. */
export function place(text, words) {
  const found = words ? text.indexOf(words) : -1;
  if (found < 0) return null;
  const start = Array.from(text.slice(0, found)).length;
  return { start, end: start + Array.from(words).length };
}

/* A table row written as "column：cell；column：cell", as pairs with offsets; null when it is something else. */
export function pairs(text) {
  if (text.includes("\n")) return null;
  const pieces = text.split("；");
  if (pieces.length < 2 || !pieces.every((piece) => piece.includes("："))) return null;
  let at = 0;
  return pieces.map((piece) => {
    const cut = piece.indexOf("：");
    const start = at + Array.from(piece.slice(0, cut + 1)).length;
    const end = at + Array.from(piece).length;
    at = end + 1;
    return { name: piece.slice(0, cut), start, end };
  });
}

export function pairList(text, found, ranges) {
  const points = Array.from(text);
  const list = make("dl");
  found.forEach(({ name, start, end }) => {
    const cell = inline(make("dd"), points, start, end, [], ranges);
    list.append(make("div", "", make("dt", "", name), cell));
  });
  return list;
}
