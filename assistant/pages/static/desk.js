/* People: where one stands in the queue, what they say as they say it, a message left for them, a rating. */
import { blocks } from "./blocks.js";
import { openSource } from "./dialogs.js";
import { $, button, icon, make, toast } from "./dom.js";
import { currentLanguage, desk as served, label, put, say } from "./words.js";
import { call, Lost, uuid } from "./transport.js";

const POLL = 5000;
const RETRIES = 3;
let following = null;
let source = null;
let timer = 0;
let failures = 0;
let last = 0;
let standing = null;
let leaving = null;
let announce = () => {};
let changed = () => {};

export function wireDesk(tell, refresh) {
  announce = tell;
  changed = refresh;
}

export const withPerson = () => Boolean(standing && standing.state === "person");
export const isLeaving = () => Boolean(leaving);

/* What people said so far, for a page that was reloaded; [] where there is nobody to say anything. */
export async function saidBy(conversation) {
  if (!served) return [];
  try {
    const state = await call("GET", `v1/conversations/${encodeURIComponent(conversation)}/desk`);
    show(state.standing);
    last = state.messages.reduce((most, one) => Math.max(most, one.sequence), 0);
    follow(conversation);
    return state.messages;
  } catch (error) { return []; }
}

/* Stay informed until the conversation is gone. A connection that proxies hold back gives way to asking again. */
export function follow(conversation) {
  if (!served || following === conversation) return;
  unfollow(false);
  following = conversation;
  connect();
}

export function unfollow(clean = true) {
  if (source) source.close();
  clearTimeout(timer);
  source = null;
  following = null;
  if (!clean) return;
  last = 0;
  standing = null;
  leave(false);
  $("standing").replaceChildren();
  $("standing").hidden = true;
}

const path = (what) => `v1/conversations/${encodeURIComponent(following)}/${what}`;

function connect() {
  if (!window.EventSource || failures >= RETRIES) {
    poll();
    return;
  }
  source = new EventSource(`${path("live")}?after=${last}`);
  source.addEventListener("message", (event) => take(JSON.parse(event.data)));
  source.addEventListener("standing", (event) => { failures = 0; show(JSON.parse(event.data)); });
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) return;
    failures += 1;
    source.close();
    clearTimeout(timer);
    timer = setTimeout(connect, 2000 * failures);
  });
}

async function poll() {
  const mine = following;
  try {
    const state = await call("GET", `${path("desk")}?after=${last}`);
    if (mine !== following) return;
    state.messages.forEach(take);
    show(state.standing);
  } catch (error) { if (!(error instanceof Lost) && error.status === 404) return; }
  if (mine === following) timer = setTimeout(poll, POLL);
}

/* A message is shown once, however often it comes. */
function take(message) {
  last = Math.max(last, message.sequence);
  if (document.querySelector(`[data-message="${CSS.escape(message.id)}"]`)) return;
  document.querySelectorAll(".turn.fresh").forEach((turn) => turn.classList.remove("fresh"));
  const shown = personTurn(message);
  $("log").append(shown);
  shown.scrollIntoView({ block: "end", behavior: "smooth" });
  announce(`${message.person.name}：${message.text}`);
  changed();
}

export function personTurn(message) {
  const { person } = message;
  const turn = make("section", "turn");
  turn.dataset.message = message.id;
  turn.dataset.at = message.at;
  const from = make("p", "from", icon("person"), make("span", "", person.name), put(make("span"), person.role === "adviser" ? "role_adviser" : "role_staff"));
  if (person.licence) from.append(put(make("span", "licence"), "licence", { licence: person.licence }));
  else from.append(put(make("span", "licence"), "work_number", { number: person.number }));
  const body = make("div", "body", blocks(message.text));
  body.lang = "zh-CN";
  const answer = make("article", "answer person", from, body);
  if (message.notices.length) {
    const box = label(make("div", "notices risk"), "notices");
    message.notices.forEach((notice) => box.append(make("p", "", notice)));
    answer.append(box);
  }
  const titles = new Map(message.citations.map((one) => [`${one.document}/${one.version}`, one]));
  if (titles.size) {
    const list = make("ul");
    titles.forEach((one) => list.append(make("li", "source-row", button("open", () => openSource(one), make("span", "name", `《${one.title}》`)))));
    answer.append(label(make("section", "sources", list), "sources"));
  }
  turn.append(answer);
  return turn;
}

/* The assistant said nothing because a person reads it. */
export function kept() { return put(make("p", "kept"), withPerson() ? "kept_person" : "kept_waiting"); }

/* where one stands */

function show(now) {
  const before = standing;
  standing = now;
  const place = $("standing");
  place.hidden = now.state === "none" || (now.state === "ended" && !now.can_rate);
  place.className = `standing ${now.state}`;
  if (now.state !== "waiting") leave(false);
  if (now.state === "waiting") place.replaceChildren(...waiting(now));
  else if (now.state === "person") place.replaceChildren(...served_by(now));
  else if (now.can_rate) place.replaceChildren(...rate(now));
  if (before && before.state !== now.state) announce(place.textContent);
  changed();
}

function waiting(now) {
  const here = now.open && now.on_duty;
  const words = make("p", "", put(make("b"), here ? "queue_here" : now.open ? "queue_busy" : "queue_closed", { ahead: now.ahead }));
  if (here && now.minutes) words.append(" ", put(make("span"), "queue_minutes", { minutes: now.minutes }));
  if (!now.open && now.opens_at) words.append(" ", put(make("span"), "queue_opens", { time: moment(now.opens_at) }));
  const more = put(make("p", "soft"), "queue_hours", { hours: now.hours });
  if (now.complaint) more.append(" ", put(make("span"), "queue_complaint", { number: now.complaint, date: now.due_on }));
  const act = put(button("button", () => leave(true)), leaving ? "leave_on" : "leave");
  act.disabled = Boolean(leaving);
  return [make("div", "", words, more), act];
}

function served_by(now) {
  const who = now.person || { name: "", number: "", role: "staff", licence: "" };
  const words = put(make("b"), "served_by", { name: who.name });
  const more = make("span", "soft", say(who.role === "adviser" ? "role_adviser" : "role_staff"), " ", say(who.licence ? "licence" : "work_number", who));
  return [make("div", "", make("p", "", icon("person"), words, " ", more), put(make("p", "soft"), "served_detail"))];
}

function rate(now) {
  const marks = label(make("div", "marks"), "rate");
  [1, 2, 3, 4, 5].forEach((mark) => {
    const one = button("mark", () => give(now, mark), String(mark));
    one.setAttribute("aria-label", say("rate_n", { n: mark }));
    marks.append(one);
  });
  const shut = button("icon", () => { $("standing").hidden = true; }, icon("close"));
  label(shut, "close");
  return [make("div", "", put(make("p"), "rate"), put(make("p", "soft"), "rate_detail")), marks, shut];
}

async function give(now, rating) {
  try {
    await call("POST", path("rating"), { ticket: now.ticket, rating, words: "" });
    toast(say("rated"));
    $("standing").hidden = true;
  } catch (error) { toast(say("feedback_failed")); }
}

function moment(iso) {
  return new Date(iso).toLocaleString(currentLanguage() === "en" ? "en-GB" : "zh-CN", { month: "numeric", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit", timeZone: "Asia/Shanghai" });
}

/* leaving a message: it goes to people only, and one may go away */

function leave(on) {
  leaving = on ? { key: uuid() } : null;
  $("composer").classList.toggle("leaving", on);
  $("question").placeholder = say(on ? "leave_placeholder" : "placeholder");
  $("question").dataset.tPlaceholder = on ? "leave_placeholder" : "placeholder";
  if (standing && standing.state === "waiting") $("standing").replaceChildren(...waiting(standing));
  if (on) $("question").focus();
}

/* Sends a message to people. True when it is kept; the same message is kept once however often it is sent. */
export async function leaveMessage(text) {
  try {
    await call("POST", path("messages"), { message: text, key: leaving.key });
    leave(false);
    toast(say("left"));
    return true;
  } catch (error) {
    toast(say(error instanceof Lost ? "lost" : "unavailable"));
    return false;
  }
}
