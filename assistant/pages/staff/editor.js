/* Writing to a customer: findings underlined where they stand, and a button that says what it will do. */
import { call, Lost, talkPath } from "./api.js";
import { $, button, make, toast } from "./dom.js";
import { inEnglish, put, say } from "./say.js";
import { cleanPaper, keepPaper, mine, paper, state } from "./store.js";

const PAUSE = 140;
const box = $("text");
let verdict = null;
let judged = "";
let timer = 0;
let running = null;
let sending = false;
let after = () => {};

export function wireEditor(sent) {
  after = sent;
  box.addEventListener("input", () => { typed(); });
  box.addEventListener("scroll", () => { $("under").scrollTop = box.scrollTop; });
  $("send").addEventListener("click", send);
  $("override").addEventListener("input", () => { mineNow().override = $("override").value; keep(); showSend(); });
}

const mineNow = () => paper(state.current);
const keep = () => keepPaper(state.current);

/* Shows what is being written in the conversation that was opened. */
export function openEditor() {
  const page = mineNow();
  box.value = page.text;
  $("override").value = page.override;
  verdict = null;
  judged = "";
  grow();
  showChosen();
  paint();
  showFindings();
  showSend();
  if (page.text) screen();
}

export function insert(text, sources = [], draft = null) {
  const page = mineNow();
  if (draft) {
    page.text = text;
    page.draft = draft;
    page.answering = state.view.row.newest;
  } else {
    if (!page.text.trim()) page.answering = state.view.row.newest;
    const at = box.selectionStart ?? page.text.length;
    const before = page.text.slice(0, at);
    page.text = `${before}${before && !before.endsWith("\n") && text ? "\n" : ""}${text}${page.text.slice(at)}`;
  }
  sources.forEach((one) => { if (!page.sources.some((known) => known.passage === one.passage)) page.sources.push(one); });
  box.value = page.text;
  box.focus();
  box.setSelectionRange(box.value.length, box.value.length);
  typed();
  showChosen();
}

function typed() {
  const page = mineNow();
  if (!page.text.trim() || !page.answering) page.answering = state.view.row.newest;
  page.text = box.value;
  page.key = null;
  if (!page.text.trim()) page.draft = null;
  keep();
  grow();
  paint();
  clearTimeout(timer);
  timer = setTimeout(screen, PAUSE);
  showSend();
}

function grow() {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, innerHeight * 0.34)}px`;
  const count = Array.from(box.value).length;
  $("count").textContent = count ? `${count} / ${state.me.longest_message}` : "";
}

async function screen() {
  const text = box.value;
  const conversation = state.current;
  if (!text.trim()) {
    verdict = null;
    judged = "";
    return refresh();
  }
  if (running) running.abort();
  running = new AbortController();
  const page = mineNow();
  const body = { text, draft: page.draft, sources: page.sources.map((one) => one.passage) };
  try {
    const found = await call("POST", `${talkPath(conversation)}/screen`, body, running.signal);
    if (conversation !== state.current || text !== box.value) return undefined;
    verdict = found;
    judged = text;
    return refresh();
  } catch (error) {
    if (error.name !== "AbortError") refresh();
    return undefined;
  }
}

function refresh() {
  paint();
  showFindings();
  showSend();
}

const strict = (action) => action === "block" || action === "handoff";

/* The same text under the field, with what was found marked at its place. */
function paint() {
  const points = Array.from(box.value);
  const findings = verdict && judged === box.value ? verdict.findings : [];
  const under = $("under");
  const cuts = new Set([0, points.length]);
  findings.forEach(({ span }) => { cuts.add(Math.min(span[0], points.length)); cuts.add(Math.min(span[1], points.length)); });
  const places = Array.from(cuts).sort((a, b) => a - b);
  under.replaceChildren();
  places.slice(0, -1).forEach((start, index) => {
    const end = places[index + 1];
    const here = findings.filter(({ span }) => span[0] <= start && span[1] >= end && span[1] > span[0]);
    const piece = points.slice(start, end).join("");
    under.append(here.length ? make("mark", here.some((one) => strict(one.action)) ? "block" : "revise", piece) : piece);
  });
  under.append("\n");
  under.scrollTop = box.scrollTop;
}

function showFindings() {
  const place = $("findings");
  place.replaceChildren();
  if (!verdict || judged !== box.value) return;
  const points = Array.from(judged);
  verdict.findings.forEach((one) => {
    const words = points.slice(one.span[0], one.span[1]).join("");
    const card = make("div", `finding ${strict(one.action) ? "block" : "revise"}`);
    card.append(make("p", "", put(make("b"), one.action), put(make("span"), `code_${one.check}`), words ? make("q", "", words.length > 24 ? `${words.slice(0, 24)}…` : words) : null));
    card.append(make("p", "why", one.reason), make("p", "clause", make("span", "soft", `${say("clause")}：`), one.clause));
    place.append(card);
  });
  if (verdict.unfilled.length) place.append(put(make("p", "hint warned"), "unfilled", { blanks: verdict.unfilled.join(" ") }));
  if (verdict.advice) place.append(put(make("p", "hint"), "is_advice", { licence: state.me.person.licence }));
  if (verdict.notices.length) {
    const list = make("div", "hint", put(make("span", "soft"), "notices"));
    verdict.notices.forEach((notice) => list.append(make("p", "notice", notice)));
    place.append(list);
  }
  if (!verdict.findings.length && !verdict.unfilled.length) place.append(put(make("p", "hint fine"), "checked"));
}

function showChosen() {
  const page = mineNow();
  $("chosen").replaceChildren(...page.sources.map((one) => {
    const drop = button("", () => { page.sources = page.sources.filter((known) => known !== one); keep(); showChosen(); screen(); }, "×");
    drop.setAttribute("aria-label", say("draft_drop"));
    return make("li", "", `《${one.title}》`, drop);
  }));
}

export const isStale = () => Boolean(state.view && mine() && box.value.trim() && mineNow().answering && mineNow().answering !== state.view.row.newest);

/* What the button will do: [key, may be pressed, how it looks]. */
function plan() {
  if (!box.value.trim()) return ["send_empty", false, ""];
  if (isStale()) return ["send_stale", false, "waitful"];
  if (!verdict || judged !== box.value) return ["send_check", true, ""];
  if (verdict.unfilled.length) return ["send_unfilled", false, "waitful"];
  if (strict(verdict.action)) return ["send_blocked", true, "stop"];
  if (verdict.action === "revise") return Array.from($("override").value.trim()).length >= state.me.least_reason ? ["send_reason", true, "waitful"] : ["send_reason_first", true, "waitful"];
  return [verdict.advice ? "send_adviser" : "send_plain", true, "go"];
}

export function showSend() {
  const [key, may, look] = plan();
  const place = $("send");
  place.className = `send ${look}`;
  place.disabled = !may || sending;
  put(place.firstElementChild, key);
  const reason = verdict && judged === box.value && verdict.action === "revise";
  $("override").hidden = !reason;
  const bar = $("stale-bar");
  bar.hidden = !isStale();
  if (!bar.hidden) bar.replaceChildren(put(make("span"), "stale_bar"), put(button("plain", seen), "seen"));
}

function seen() {
  const page = mineNow();
  page.answering = state.view.row.newest;
  keep();
  showSend();
  box.focus();
}

export async function send() {
  if (sending || !box.value.trim() || !mine() || isStale()) return;
  const conversation = state.current;
  const page = mineNow();
  page.key = page.key || crypto.randomUUID();
  page.answering = page.answering || state.view.row.newest;
  keep();
  sending = true;
  showSend();
  const body = { text: box.value, key: page.key, answering: page.answering, draft: page.draft, sources: page.sources.map((one) => one.passage) };
  if ($("override").value.trim() && !$("override").hidden) body.override = $("override").value.trim();
  try {
    const result = await call("POST", `${talkPath(conversation)}/send`, body);
    told(conversation, result);
  } catch (error) {
    toast(error instanceof Lost ? say("lost") : error.detail?.[inEnglish() ? 1 : 0] || say("failed_call"));
  } finally {
    sending = false;
    if (conversation === state.current) showSend();
  }
}

function told(conversation, result) {
  if (result.verdict && conversation === state.current) {
    verdict = result.verdict;
    judged = box.value;
  }
  if (result.status === "sent") {
    cleanPaper(conversation);
    toast(say("sent"));
    if (conversation === state.current) openEditor();
  } else {
    paper(conversation).key = null;
    const keys = { blocked: "was_blocked", stale: "was_stale", needs_reason: "was_reason", unfilled: "send_unfilled", failed: "was_failed" };
    toast(say(keys[result.status]));
    if (conversation === state.current) refresh();
  }
  after(conversation);
}
