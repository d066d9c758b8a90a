/* The other pages: complaints, scripts, figures. */
import { call } from "./api.js";
import { $, button, make, toast } from "./dom.js";
import { clock, put, say, span } from "./say.js";
import { area, choice, field, form, sheet } from "./sheet.js";

let openTalk = () => {};
let chosen = null;

export function wirePages(open) { openTalk = open; }

export async function showPage(name) {
  const place = $("page");
  place.className = `page ${name}`;
  try {
    if (name === "complaints") await ledger(place);
    if (name === "scripts") await scripts(place);
    if (name === "figures") await figures(place);
  } catch (error) { place.replaceChildren(put(make("p", "empty"), "failed_call")); }
}

export async function countOverdue() {
  const { complaints } = await call("GET", "complaints");
  const late = complaints.filter((one) => one.overdue).length;
  $("overdue").textContent = late;
  $("overdue").hidden = !late;
}

/* complaints */

async function ledger(place) {
  const { complaints } = await call("GET", "complaints");
  const head = put(make("h2"), "ledger_title");
  if (!complaints.length) {
    place.replaceChildren(head, put(make("p", "empty"), "ledger_empty"));
    return;
  }
  const list = make("ul", "cases");
  complaints.forEach((one) => list.append(make("li", "", caseOf(one, place))));
  const current = complaints.find((one) => one.number === chosen) || null;
  place.replaceChildren(head, make("div", "split", list, current ? stepsOf(current, place) : put(make("p", "empty"), "c_choose")));
}

function caseOf(one, place) {
  const late = one.overdue ? put(make("b", "late"), `overdue_${one.overdue}`) : put(make("span", "soft"), one.status === "open" ? "due" : `status_${one.status}`, { date: one.due_on });
  const open = button(`case${one.overdue ? " overdue" : ""}`, () => { chosen = one.number; ledger(place); }, make("span", "row-head", make("code", "", one.number), late), make("span", "preview", one.subject), make("span", "soft", one.owner ? one.owner_name : say("no_owner")));
  open.setAttribute("aria-current", String(one.number === chosen));
  return open;
}

function stepsOf(one, place) {
  const take = async (body) => {
    try {
      await call("POST", `complaints/${encodeURIComponent(one.number)}`, body);
      await ledger(place);
      countOverdue();
      return true;
    } catch (error) {
      toast(error.detail?.[0] || say("failed_call"));
      return false;
    }
  };
  const ask = (what) => () => sheet(`c_${what}`, form([field("text", "c_text", area(4))], "ok", (values) => take({ what, text: values.text })));
  const shut = () => sheet("c_closed", form([field("satisfaction", "c_satisfaction", choice([5, 4, 3, 2, 1].map((n) => [String(n), "★".repeat(n)]))), field("text", "c_text", area(2))], "c_closed", (values) => take({ what: "closed", text: values.text, satisfaction: Number(values.satisfaction) })));
  const acts = make("div", "acts");
  if (!one.owner && one.status === "open") acts.append(put(button("primary", () => take({ what: "owner" })), "c_take"));
  if (one.status === "open") acts.append(put(button("plain", ask("contacted")), "c_contacted"), put(button("plain", ask("investigated")), "c_investigated"), put(button("plain", ask("answered")), "c_answered"));
  if (one.status !== "closed") acts.append(put(button("plain", ask("note")), "c_note"));
  if (one.status === "answered") acts.append(put(button("primary", shut), "c_closed"));
  if (one.status === "closed") acts.append(put(button("plain", ask("reopened")), "c_reopened"));
  acts.append(put(button("plain", () => openTalk(one.conversation)), "open_talk"));
  const list = make("ol", "steps");
  one.steps.forEach((step) => list.append(make("li", "", make("p", "", put(make("b"), `c_${step.what}`), " ", make("span", "soft", `${step.author_name} · ${clock(step.at)}`)), step.text ? make("p", "", step.text) : null)));
  const due = make("p", "", put(make("span", "mark"), `status_${one.status}`), " ", put(make("span", "soft"), "contact_due", { date: one.contact_by }), " · ", put(make("span", "soft"), "due", { date: one.due_on }));
  if (one.overdue) due.append(" ", put(make("b", "late"), `overdue_${one.overdue}`));
  if (one.satisfaction) due.append(" ", make("span", "mark", "★".repeat(one.satisfaction)));
  return make("article", "case-open", make("h3", "", make("code", "", one.number)), due, make("p", "", one.subject), acts, put(make("h4"), "l_steps"), list);
}

/* scripts */

async function scripts(place) {
  const names = await call("GET", "scripts");
  const head = put(make("h2"), "scripts_title");
  if (!names.length) {
    place.replaceChildren(head, put(make("p", "empty"), "scripts_empty"));
    return;
  }
  const shown = make("article", "case-open");
  const list = make("ul", "cases");
  const open = async (name) => {
    const script = await call("GET", `scripts/${encodeURIComponent(name.script)}`);
    list.querySelectorAll("button").forEach((one) => one.setAttribute("aria-current", String(one.dataset.script === name.script)));
    const steps = make("ol", "steps");
    script.steps.forEach((step) => steps.append(make("li", "", make("p", "", make("b", "", step.title)), step.text.length > step.title.length + 1 ? make("p", "soft", step.text) : null, step.say ? make("p", "say", step.say) : null)));
    const never = make("ul");
    script.never.forEach((words) => never.append(make("li", "", words)));
    const before = make("ul");
    script.before.forEach((words) => before.append(make("li", "", words)));
    shown.replaceChildren(make("h3", "", script.title, " ", make("span", "soft", script.version)), make("p", "", script.when), put(make("h4"), "sop_before"), before, steps, put(make("h4"), "sop_never"), never);
  };
  names.forEach((name) => {
    const one = button("case", () => open(name), make("span", "preview", name.title), put(make("span", "soft"), "steps_n", { n: name.steps }));
    one.dataset.script = name.script;
    list.append(make("li", "", one));
  });
  place.replaceChildren(head, make("div", "split", list, shown));
  await open(names[0]);
}

/* figures */

async function figures(place) {
  const asked = new URLSearchParams(location.search);
  const query = ["from", "to"].filter((name) => asked.get(name)).map((name) => `${name}=${asked.get(name)}`).join("&");
  const found = await call("GET", `figures${query ? `?${query}` : ""}`);
  const day = (name) => {
    const input = make("input");
    input.type = "date";
    input.name = name;
    input.value = found[name];
    return make("label", "", put(make("span", "soft"), name), input);
  };
  const go = make("button", "plain");
  const period = make("form", "period", day("from"), day("to"), put(go, "show"));
  period.addEventListener("submit", (event) => {
    event.preventDefault();
    const values = new URLSearchParams(new FormData(period));
    history.replaceState(null, "", `?${values}#figures`);
    figures(place);
  });
  const used = found.drafts.sent + found.drafts.edited;
  const offered = used + found.drafts.discarded;
  const tiles = make("div", "tiles",
    tile("f_tickets", String(found.tickets), say("f_out", { n: found.out_of_hours })),
    tile("f_first", time(found.first_response_s.p50), spreadOf(found.first_response_s), found.first_response_s.slowest),
    tile("f_handling", time(found.handling_s.p50), spreadOf(found.handling_s), found.handling_s.slowest),
    tile("f_drafts", offered ? say("f_rate", { n: Math.round((100 * used) / offered) }) : "—", `${say("f_sent")} ${found.drafts.sent} · ${say("f_edited")} ${found.drafts.edited} · ${say("f_discarded")} ${found.drafts.discarded}`),
    tile("f_satisfaction", found.satisfaction.mean === null ? "—" : String(found.satisfaction.mean), found.satisfaction.mean === null ? say("f_none") : say("f_mean", { mean: found.satisfaction.mean, n: found.satisfaction.count }), found.satisfaction.low),
    tile("f_complaints", String(found.complaints.opened), `${say("f_answered")} ${found.complaints.answered} · ${say("f_closed")} ${found.complaints.closed}`),
  );
  const kinds = Object.entries(found.by_intent).sort((a, b) => b[1] - a[1]);
  place.replaceChildren(put(make("h2"), "figures_title"), period, tiles,
    tableOf("f_blocks", ["f_person", "f_code", "f_blocked", "f_revise", "f_override", "f_talks"], found.blocks.map((one) => [one.name, say(`code_${one.code}`), one.blocked, one.revise, one.override, talks(one.conversations)])),
    tableOf("f_scripts", ["scripts", "f_begun", "f_completed", "f_dropped"], found.scripts.map((one) => [one.title, one.begun, one.completed, Object.entries(one.dropped_after).map(([step, n]) => say("f_dropped_at", { step, n })).join("；") || "—"])),
    tableOf("f_intents", ["f_code", "f_tickets"], kinds.map(([intent, n]) => [say(`intent_${intent}`), n])));
}

const time = (seconds) => (seconds === null ? "—" : span(seconds));
const spreadOf = (one) => (one.count ? say("f_p", { p50: time(one.p50), p90: time(one.p90) }) : say("f_none"));

function tile(title, value, detail, conversations = []) {
  return make("section", "tile", put(make("h3"), title), make("p", "value", value), make("p", "soft", detail), conversations.length ? make("div", "", put(make("span", "soft"), "f_talks"), " ", talks(conversations.slice(0, 5))) : null);
}

function talks(conversations) {
  return make("span", "talks", ...conversations.slice(0, 8).map((one, index) => button("link", () => openTalk(one), `#${index + 1}`)));
}

function tableOf(title, heads, rows) {
  const table = make("table", "", make("caption", "", say(title)), make("thead", "", make("tr", "", ...heads.map((key) => put(make("th"), key)))));
  const body = make("tbody");
  rows.forEach((row) => body.append(make("tr", "", ...row.map((cell) => make("td", "", cell instanceof Node ? cell : String(cell))))));
  if (!rows.length) body.append(make("tr", "", make("td", "soft", say("f_none"))));
  table.append(body);
  return make("div", "tablewrap", table);
}
