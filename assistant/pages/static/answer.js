/* One answer on the page: body with its chips, products, notices, sources, ways on. */
import { blocks, place } from "./blocks.js";
import { openSource } from "./dialogs.js";
import { button, icon, make, toast } from "./dom.js";
import { feedbackButtons } from "./feedback.js";
import { firm, label, put, say } from "./words.js";

const PHONE = /(^|[^\d-])(400-?\d{3}-?\d{4}|95\d{3,4}|12\d{3}|1[12]0)(?![\d-])/g;

export function frame() {
  const answer = make("article", "answer");
  answer.append(make("p", "from", icon("ai"), put(make("span"), "ai_mark")));
  return answer;
}

export function body(text, fresh) {
  const element = make("div", "body", blocks(text));
  element.lang = "zh-CN";
  if (fresh && element.lastElementChild) {
    const last = element.lastElementChild;
    (last.matches("ul, ol") ? last.lastElementChild : last).classList.add("new");
  }
  return element;
}

/* The whole answer. `send(text)` sends a message. */
export function whole(reply, send) {
  const answer = frame();
  answer.dataset.turn = reply.turn;
  const { inserts, left } = decorations(reply);
  const text = make("div", "body", blocks(reply.body, inserts, reply.outcome === "handoff" ? phones(reply.body) : []));
  text.lang = "zh-CN";
  answer.append(text);
  if (left.length) answer.append(productList(left));
  if (reply.notices.length) answer.append(noticesOf(reply));
  if (reply.outcome === "handoff" && firm.hotline) answer.append(reach());
  if (reply.citations.length) answer.append(sourcesOf(reply));
  answer.append(actsOf(reply, answer));
  answer.addEventListener("copy", (event) => copySelection(event, reply));
  const parts = [answer];
  if (reply.suggestions.length) parts.push(nextOf(reply, send));
  return parts;
}

function decorations(reply) {
  const inserts = [];
  const left = [];
  [...reply.products].sort((a, b) => b.name.length - a.name.length).forEach((product) => {
    if (!product.risk) return;
    const found = place(reply.body, product.name);
    if (found) inserts.push({ at: found.end, node: gradeChip(product) });
    else left.push(product);
  });
  const seen = new Set();
  reply.marks.forEach(([at, index]) => {
    if (!reply.citations[index] || seen.has(`${at}/${index}`)) return;
    seen.add(`${at}/${index}`);
    inserts.push({ at, node: sourceChip(reply.citations[index], index) });
  });
  return { inserts, left };
}

function sourceChip(cited, index) {
  const chip = button("cite", () => openSource(cited), String(index + 1));
  return label(chip, "source_n", { n: index + 1, title: cited.title });
}

function gradeChip(product) {
  const chip = make("span", `grade grade-${product.risk}`);
  const values = { code: product.risk, words: say(`grade_${product.risk}`) };
  return label(put(chip, "grade_chip", values), "grade", values);
}

function productList(products) {
  const list = label(make("ul", "products"), "products");
  products.forEach((product) => list.append(make("li", "", product.name || product.code, gradeChip(product))));
  return list;
}

function noticesOf(reply) {
  const box = label(make("div", reply.products.length ? "notices risk" : "notices"), "notices");
  box.setAttribute("role", "note");
  box.lang = "zh-CN";
  reply.notices.forEach((notice) => box.append(make("p", "", notice)));
  return box;
}

function sourcesOf(reply) {
  const box = label(make("section", "sources"), "sources");
  const list = make("ul");
  const documents = new Map();
  reply.citations.forEach((cited, index) => {
    const key = `${cited.document}/${cited.version}`;
    documents.set(key, [...(documents.get(key) || []), { cited, index }]);
  });
  documents.forEach((places) => {
    const { cited } = places[0];
    const name = make("span", "name", `《${cited.title}》`);
    name.lang = "zh-CN";
    const open = button("open", () => openSource(cited), name);
    if (cited.effective_from) open.append(put(make("time"), "since", { date: cited.effective_from }));
    list.append(make("li", "source-row", ...places.map((one) => sourceChip(one.cited, one.index)), open));
  });
  box.append(list);
  return box;
}

function reach() {
  const call = make("a", "button call", icon("phone"), put(make("span"), "call"));
  call.href = `tel:${firm.hotline}`;
  return make("div", "reach", call, firm.hours ? put(make("span", "soft"), "hours") : null);
}

function actsOf(reply, answer) {
  const acts = make("div", "acts");
  const told = make("span");
  told.setAttribute("role", "status");
  const copy = button("", () => copyAnswer(reply), icon("copy"), put(make("span"), "copy"));
  acts.append(...feedbackButtons(reply.turn, answer, told), copy, told);
  return acts;
}

function nextOf(reply, send) {
  const box = make("div", "next");
  const title = put(make("p", "soft"), reply.outcome === "clarify" ? "clarify" : "suggestions");
  const chips = make("div", "chips");
  reply.suggestions.forEach((text) => {
    const person = text === "转人工";
    const chip = button(person ? "chip person" : "chip", () => send(text));
    if (person) chip.append(icon("person"), put(make("span"), "human"));
    else chip.append(text);
    chips.append(chip);
  });
  box.append(title, chips);
  return box;
}

function phones(text) {
  return Array.from(text.matchAll(PHONE), (found) => {
    const start = Array.from(text.slice(0, found.index) + found[1]).length;
    const wrap = () => {
      const link = make("a");
      link.href = `tel:${found[2]}`;
      return link;
    };
    return { start, end: start + found[2].length, wrap };
  });
}

/* An answer that leaves the page takes its AI label and its sources along. */
export function copied(reply) {
  const lines = [say("copy_mark"), reply.body, ...reply.notices];
  if (reply.citations.length) lines.push(`来源：${sourceNames(reply).join("；")}`);
  return lines.join("\n");
}

function sourceNames(reply) {
  const names = reply.citations.map((cited) => `《${cited.title}》${cited.version}版${cited.effective_from ? `，${cited.effective_from}起生效` : ""}`);
  return Array.from(new Set(names));
}

async function copyAnswer(reply) {
  const text = copied(reply);
  try {
    await navigator.clipboard.writeText(text);
    toast(say("copied"));
  } catch (error) {
    const area = make("textarea", "sr");
    area.value = text;
    document.body.append(area);
    area.select();
    toast(say(document.execCommand("copy") ? "copied" : "copy_failed"));
    area.remove();
  }
}

function copySelection(event, reply) {
  const chosen = String(getSelection());
  if (!chosen || !event.clipboardData) return;
  const source = reply.citations.length ? `\n来源：${sourceNames(reply).join("；")}` : "";
  event.clipboardData.setData("text/plain", `${say("copy_mark")}\n${chosen}${source}`);
  event.preventDefault();
}
