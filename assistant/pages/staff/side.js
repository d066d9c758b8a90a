/* The customer, the draft and the script, beside the conversation. */
import { call, talkPath } from "./api.js";
import { blocks } from "./blocks.js";
import { $, button, icon, make, toast } from "./dom.js";
import { insert } from "./editor.js";
import { clock, put, say } from "./say.js";
import { mine, state } from "./store.js";

let open = () => {};

export function wireSide(openTalk) { open = openTalk; }

export function showSide() {
  const { view } = state;
  const place = $("side");
  if (!view) {
    place.replaceChildren();
    return;
  }
  const top = place.scrollTop;
  place.replaceChildren(cardOf(view.card), draftBox(view), scriptBox(view.script), complaintsBox(view.complaints), earlierBox(view.earlier));
  place.scrollTop = top;
}

function section(name, title, ...content) {
  return make("section", `box ${name}`, put(make("h3"), title), ...content);
}

/* customer */

function cardOf(card) {
  if (!card.known) return section("card", "card", make("p", "big", card.name || say("unknown_customer")), put(make("p", "soft"), "unknown_detail"));
  const list = make("dl");
  const pair = (key, value, look = "") => { if (value) list.append(put(make("dt"), key), make("dd", look, value)); };
  const grade = make("span", "class", card.risk_class || "—");
  const flags = make("p", "flags", grade);
  if (card.lowest) flags.append(put(make("span", "mark warned"), "lowest"));
  if (card.minor) flags.append(put(make("span", "mark warned"), "minor"));
  if (card.senior) flags.append(put(make("span", "mark warned"), "senior"));
  if (card.professional) flags.append(put(make("span", "mark"), "professional"));
  const bad = card.validity === "expired" || card.validity === "none";
  pair("validity", say(`v_${card.validity}`, { date: card.assessment_until || "" }), bad ? "warned" : card.validity === "expiring" ? "warned" : "");
  pair("fits", card.fits || say("fits_none"), card.fits ? "" : "warned");
  pair("horizon", card.horizon ? say(`h_${card.horizon}`) : say("no_preference"));
  pair("types", card.types.length ? card.types.join("、") : say("no_preference"));
  pair("access", say(card.qualified ? "qualified" : "not_qualified"));
  pair("age", card.age === null ? "" : say("age_n", { n: card.age }));
  const tags = make("p", "tags", ...card.tags.map((tag) => make("span", "mark", tag)));
  return section("card", "card", make("p", "big", card.name || card.id), flags, list, card.tags.length ? tags : null);
}

/* draft */

function draftBox(view) {
  const draft = state.draft || view.draft;
  if (state.drafting) return section("draft", "draft_title", put(make("p", "soft"), "checking"));
  if (!mine()) return make("div");
  if (!draft) return section("draft", "draft_title", put(make("p", "soft"), "draft_none"), make("div", "acts", put(button("plain", () => takeDraft()), "draft")));
  const box = section("draft", "draft_title");
  const stale = draft.stale || draft.answering !== view.row.newest;
  box.classList.toggle("stale", stale && Boolean(draft.body));
  if (stale && draft.body) box.append(put(make("p", "stale-note"), "draft_stale"));
  const asked = draft.question.replace(/\s+/g, " ");
  box.append(put(make("p", "soft"), "draft_question", { question: asked.length > 40 ? `${asked.slice(0, 40)}…` : asked }));
  if (!draft.body) {
    box.append(put(make("p"), "draft_missing"));
    draft.nearest.forEach((question) => box.append(button("chip", () => takeDraft(question), question)));
    box.append(make("div", "acts", put(button("plain", () => takeDraft()), "draft_again")));
    return box;
  }
  box.append(make("div", "said", blocks(draft.body)));
  if (draft.findings.length) box.append(put(make("p", "warned"), "draft_findings", { n: draft.findings.length }));
  box.append(sourcesOf(draft));
  const use = put(button("primary", useDraft), "draft_use");
  use.disabled = stale;
  use.append(make("kbd", "", "U"));
  box.append(make("div", "acts", use, put(button("plain", () => takeDraft()), "draft_again"), put(button("plain", dropDraft), "draft_drop")));
  return box;
}

function sourcesOf(draft) {
  const list = make("ul", "sources");
  const seen = new Map();
  draft.citations.forEach((one) => { seen.set(`${one.document}/${one.version}`, one); });
  seen.forEach((one) => {
    const item = make("details", "", make("summary", "", icon("doc"), `《${one.title}》`, one.effective_from ? put(make("time"), "since", { date: one.effective_from }) : null));
    draft.citations.filter((other) => other.document === one.document).forEach((other) => item.append(make("blockquote", "", blocks(other.quote))));
    list.append(make("li", "", item));
  });
  return list;
}

export async function takeDraft(question = "") {
  if (!mine() || state.drafting) return;
  const conversation = state.current;
  state.drafting = true;
  showSide();
  try {
    const draft = await call("POST", `${talkPath(conversation)}/draft`, { question });
    if (conversation === state.current) state.draft = draft;
  } catch (error) {
    toast(say("draft_fail"));
  }
  state.drafting = false;
  if (conversation === state.current) showSide();
}

export function useDraft() {
  const draft = state.draft || state.view?.draft;
  if (!draft || !draft.body || draft.answering !== state.view.row.newest) return;
  insert(draft.body, draft.citations, draft.id);
}

async function dropDraft() {
  const draft = state.draft || state.view.draft;
  state.draft = null;
  state.view.draft = null;
  showSide();
  try { await call("DELETE", `drafts/${draft.id}`); } catch (error) { /* it stays open in the figures, no more */ }
}

/* script */

function scriptBox(script) {
  if (!script) return make("div");
  const box = section("script", "sop");
  const done = script.steps.filter((step) => step.done).length;
  box.append(make("p", "", make("b", "", script.title)), put(make("p", "soft"), "sop_step", { done, all: script.steps.length }));
  const bar = make("progress");
  bar.max = script.steps.length;
  bar.value = done;
  box.append(bar);
  const next = script.steps.find((step) => step.number === script.next);
  if (!next) box.append(put(make("p", "fine"), "sop_finished"));
  else if (mine()) box.append(stepOf(script, next));
  const more = make("details", "", put(make("summary"), "sop_never"));
  const never = make("ul");
  script.never.forEach((words) => never.append(make("li", "", words)));
  more.append(never);
  box.append(more);
  return box;
}

function stepOf(script, step) {
  const made = make("div", "step");
  const head = make("p", "", make("b", "", `${step.number}. ${step.title}`));
  if (step.condition && step.applies === "ask") head.append(put(make("span", "mark"), "sop_ask"));
  made.append(head);
  if (step.say) made.append(make("p", "say", ...pieces(step.say)));
  else made.append(make("p", "soft", step.text));
  const acts = make("div", "acts");
  if (step.say) {
    const put_ = put(button("primary", () => useStep(script, step)), "sop_insert");
    put_.append(make("kbd", "", "S"));
    acts.append(put_);
  }
  acts.append(put(button("plain", () => stepTaken(script, step, "done")), "sop_done"), put(button("plain", () => stepTaken(script, step, "skipped")), "sop_skip"));
  made.append(acts);
  return made;
}

const pieces = (text) => text.split(/(\{[^{}\n]{1,20}\})/).map((piece) => (/^\{/.test(piece) ? make("mark", "gap", piece) : piece));

export function nextStep() {
  const script = state.view?.script;
  const step = script?.steps.find((one) => one.number === script.next);
  if (!step || !mine()) return;
  if (step.say) useStep(script, step);
  else stepTaken(script, step, "done");
}

function useStep(script, step) {
  insert(step.say, [{ passage: step.passage, title: script.title }]);
  stepTaken(script, step, "done");
}

async function stepTaken(script, step, how) {
  try {
    state.view.script = await call("POST", `${talkPath(state.current)}/script`, { script: script.script, step: step.number, how });
    showSide();
  } catch (error) { toast(say("failed_call")); }
}

/* what else there is */

function complaintsBox(complaints) {
  if (!complaints.length) return make("div");
  const box = section("complaint", "complaints_here");
  complaints.forEach((one) => {
    const late = one.overdue ? put(make("b", "late"), `overdue_${one.overdue}`) : put(make("span", "soft"), "due", { date: one.due_on });
    box.append(make("p", "", make("code", "", one.number), " ", put(make("span", "mark"), `status_${one.status}`), " ", late), make("p", "soft", one.subject));
  });
  return box;
}

function earlierBox(rows) {
  if (!rows.length) return make("div");
  const box = section("earlier", "earlier");
  const list = make("ul");
  rows.slice(0, 8).forEach((row) => list.append(make("li", "", button("link", () => open(row.conversation), `${clock(row.opened_at)} · ${say(`intent_${row.intent}`)}${row.preview ? ` · ${row.preview}` : ""}`))));
  box.append(list);
  return box;
}
