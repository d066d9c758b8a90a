/* The conversation as it was: who said what, on what grounds, what was done. */
import { blocks } from "./blocks.js";
import { $, icon, make } from "./dom.js";
import { clock, put, say } from "./say.js";
import { state } from "./store.js";

let resting = true;

/* The newest stays in sight when the room for it changes. */
export function wireLines() {
  const place = $("lines");
  place.addEventListener("scroll", () => { resting = place.scrollHeight - place.scrollTop - place.clientHeight < 80; });
  new ResizeObserver(() => { if (resting) place.scrollTop = place.scrollHeight; }).observe(place);
}

export function showLines(view) {
  const place = $("lines");
  const atEnd = resting || place.scrollHeight - place.scrollTop - place.clientHeight < 80 || place.dataset.conversation !== view.row.conversation;
  const known = new Map(Array.from(place.children, (one) => [one.dataset.id, one]));
  const fresh = view.lines.map((line) => {
    const stamp = JSON.stringify([line, document.documentElement.lang]);
    const old = known.get(line.id);
    if (old && old.stamp === stamp) return old;
    const made = lineOf(line);
    made.dataset.id = line.id;
    made.stamp = stamp;
    return made;
  });
  if (fresh.length !== place.children.length || fresh.some((one, at) => place.children[at] !== one)) place.replaceChildren(...fresh);
  place.dataset.conversation = view.row.conversation;
  if (atEnd) place.scrollTop = place.scrollHeight;
}

function lineOf(line) {
  if (line.who === "event") return eventOf(line);
  const said = make("article", `line ${line.who}`);
  const who = make("p", "who");
  if (line.who === "assistant") who.append(icon("ai"));
  if (line.who === "note") who.append(icon("note"));
  if (line.who === "staff") who.append(make("span", "", line.detail.name), put(make("span", "soft"), line.detail.role === "adviser" ? "adviser" : "staff"));
  else if (line.who === "note") who.append(put(make("span"), "who_note"), make("span", "soft", line.detail.name));
  else who.append(put(make("span"), `who_${line.who}`));
  if (line.detail.licence) who.append(put(make("span", "soft"), "licence", { licence: line.detail.licence }));
  who.append(make("time", "", clock(line.at)));
  const body = make("div", "said", blocks(line.text));
  said.append(who, body);
  (line.detail.notices || []).forEach((notice) => said.append(make("p", "notice", notice)));
  if ((line.detail.citations || []).length) said.append(sourcesOf(line.detail.citations));
  if (line.who === "staff") said.append(fateOf(line.detail));
  return said;
}

function sourcesOf(citations) {
  const titles = Array.from(new Set(citations.map((one) => one.title)));
  return make("p", "from", icon("doc"), titles.map((title) => `《${title}》`).join(" "));
}

function fateOf(detail) {
  const fate = make("p", `fate ${detail.status}`);
  const status = detail.delivered_at ? "delivered" : detail.status || "unknown";
  fate.append(put(make("span"), status));
  if (detail.acceptance && detail.acceptance !== "none") fate.append(put(make("span", "soft"), detail.acceptance));
  if (detail.override) fate.append(put(make("span", "warned"), "overridden", { reason: detail.override }));
  if (detail.acceptance !== "edited") return fate;
  const more = make("details", "diff", put(make("summary"), "difference"));
  const text = make("p");
  detail.difference.forEach(([kind, piece]) => text.append(kind === "=" ? piece : make(kind === "-" ? "del" : "ins", "", piece)));
  more.append(text);
  const both = make("div", "", fate, more);
  return both;
}

function eventOf(line) {
  const detail = line.detail;
  const values = { ...detail };
  if (detail.reason) values.reason = say(`reason_${detail.reason}`);
  if (detail.codes) values.codes = detail.codes.map((code) => say(`code_${code}`)).join("、");
  if (detail.verdict) values.verdict = say(detail.verdict);
  const made = make("p", `event ${detail.what}`, make("time", "", clock(line.at)), make("span", "", say(`event_${detail.what}`, values)));
  if (line.text) made.append(make("q", "", line.text));
  return made;
}

export function showHead(view, acts) {
  const row = view.row;
  const head = $("talk-head");
  head.hidden = false;
  const title = make("div", "talk-title", put(make("h2"), `intent_${row.intent}`), make("span", "soft", view.card.name || (row.customer ? row.customer : say("unknown_customer"))));
  if (row.senior) title.append(put(make("span", "mark"), "senior"));
  if (!row.in_hours) title.append(put(make("span", "mark"), "after_hours"));
  const status = make("span", `status ${row.status}`);
  if (row.status === "held" && row.owner !== state.me.person.id) put(status, "held_by", { name: row.owner_name });
  else if (row.status === "ended") status.textContent = say("ended_by", { reason: say(`reason_${row.end_reason}`) });
  else put(status, `state_${row.status}`);
  title.append(status);
  head.replaceChildren(title, acts);
}

export function showBrief(view) {
  const brief = $("brief");
  const { summary } = view;
  brief.hidden = false;
  const open = brief.querySelector("details")?.open ?? view.row.status === "waiting";
  const made = make("details", "", make("summary", "", put(make("b"), "brief"), make("span", "", summary.words)));
  made.open = open;
  if (summary.tried.length) {
    const list = make("ul", "tried");
    summary.tried.forEach((one) => {
      const how = one.outcome === "handoff" ? "handed" : !one.found ? "not_found" : one.outcome === "refuse" ? "refused" : "answered";
      const item = make("li", "", make("span", "", one.question), put(make("span", "soft"), how));
      if (one.titles.length) item.append(make("span", "soft", one.titles.map((title) => `《${title}》`).join("")));
      list.append(item);
    });
    made.append(list);
  }
  if (view.reason) made.append(make("p", "soft", view.reason));
  brief.replaceChildren(made);
}
