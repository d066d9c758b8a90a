/* The desk: what is open, what changes, and where it is shown. */
import * as acts from "./acts.js";
import { call, talkPath } from "./api.js";
import { $, button, make } from "./dom.js";
import { openEditor, send, showSend, wireEditor } from "./editor.js";
import { openBox, showInbox, wireInbox } from "./inbox.js";
import { showKeys, wireKeys } from "./keys.js";
import { showBrief, showHead, showLines, wireLines } from "./lines.js";
import { countOverdue, showPage, wirePages } from "./pages.js";
import { inEnglish, put, say, speak } from "./say.js";
import { nextStep, showSide, takeDraft, useDraft, wireSide } from "./side.js";
import { boxOf, inBox, mine, state } from "./store.js";

let loading = 0;

/* conversations */

async function openTalk(conversation) {
  if (!conversation) return;
  open("desk");
  pane("talk");
  if (state.current !== conversation) {
    state.current = conversation;
    state.view = null;
    state.draft = null;
    $("lines").replaceChildren();
    $("brief").replaceChildren();
  }
  history.replaceState(null, "", `#${conversation}`);
  showInbox();
  await load(conversation, true);
}

async function load(conversation, fresh = false) {
  if (conversation !== state.current) return;
  const mineNow = ++loading;
  try {
    const view = await call("GET", talkPath(conversation));
    if (mineNow !== loading || conversation !== state.current) return;
    const was = mine();
    state.view = view;
    state.rows.set(conversation, view.row);
    show();
    if (fresh || was !== mine()) openEditor();
    else showSend();
  } catch (error) {
    if (error.code === "not_found") shut();
  }
}

function shut() {
  state.current = null;
  state.view = null;
  $("blank").hidden = false;
  ["talk-head", "brief", "writing", "claim-row"].forEach((id) => { $(id).hidden = true; });
  showSide();
}

function show() {
  const { view } = state;
  $("blank").hidden = true;
  showHead(view, headActs(view));
  showBrief(view);
  showLines(view);
  showSide();
  const held = mine();
  $("writing").hidden = !held;
  const row = $("claim-row");
  row.hidden = view.row.status !== "waiting";
  if (!row.hidden) {
    const take = button("primary wide", acts.claim, put(make("span"), "claim"), make("kbd", "", "C"));
    row.replaceChildren(take, put(make("p", "soft"), "claim_hint"));
  }
  showInbox();
}

function headActs(view) {
  const place = make("div", "head-acts");
  const tool = (key, act, letter) => place.append(button("plain", act, put(make("span"), key), letter ? make("kbd", "", letter) : null));
  if (mine()) {
    tool("give_back", acts.giveBack, "B");
    tool("solve", acts.end, "E");
    tool("transfer", acts.transfer, "T");
  }
  if (view.row.status !== "ended") tool("complain", acts.complain, "");
  return place;
}

function step(by) {
  const rows = inBox(state.box);
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.conversation === state.current);
  openTalk(rows[at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + by))].conversation);
}

async function changed(conversation) {
  const before = state.view && boxOf(state.view.row);
  await load(conversation);
  const row = state.rows.get(conversation);
  if (row && before && before !== boxOf(row)) openBox(boxOf(row) === "ended" ? "mine" : boxOf(row));
}

/* live */

function listen() {
  const source = new EventSource("/v1/staff/events");
  source.addEventListener("inbox", (event) => {
    const inbox = JSON.parse(event.data);
    state.ahead = inbox.now - Date.now() / 1000;
    state.rows = new Map(inbox.rows.map((row) => [row.conversation, row]));
    state.onDuty = inbox.on_duty;
    $("offline").hidden = true;
    showInbox();
    if (state.current) load(state.current);
  });
  source.addEventListener("rows", (event) => {
    const rows = JSON.parse(event.data);
    rows.forEach((row) => state.rows.set(row.conversation, row));
    showInbox();
    if (rows.some((row) => row.conversation === state.current)) load(state.current);
    if (rows.some((row) => row.intent === "complaint")) countOverdue();
  });
  source.addEventListener("open", () => { $("offline").hidden = true; });
  source.addEventListener("error", () => {
    $("offline").hidden = false;
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { call("GET", "me").then(listen, () => setTimeout(listen, 3000)); }, 2000);
  });
}

/* pages */

function open(name) {
  $("app").dataset.view = name;
  $("desk").hidden = name !== "desk";
  $("page").hidden = name === "desk";
  document.querySelectorAll("[data-open]").forEach((one) => one.setAttribute("aria-current", one.dataset.open === name ? "page" : "false"));
  if (name !== "desk") showPage(name);
}

function pane(name) {
  $("app").dataset.pane = name;
  document.querySelectorAll("[data-pane-open]").forEach((one) => one.setAttribute("aria-current", one.dataset.paneOpen === name ? "page" : "false"));
}

/* looks */

function remember(change) {
  try {
    const kept = JSON.parse(localStorage.getItem("heshi.look") || "{}");
    localStorage.setItem("heshi.look", JSON.stringify({ ...kept, ...change }));
  } catch (error) { /* it lasts as long as the page */ }
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  remember({ theme: root.dataset.theme });
}

function switchLanguage() {
  speak(inEnglish() ? "zh" : "en");
  remember({ language: inEnglish() ? "en" : "zh" });
  showMe();
  if (state.view) show();
  showInbox();
  const view = $("app").dataset.view;
  if (view !== "desk") showPage(view);
}

function showMe() {
  const { person, away } = state.me;
  $("me").replaceChildren(make("b", "", person.name), make("span", "soft", say(person.role)));
  if (person.licence) $("me").append(make("span", "soft", say("licence", { licence: person.licence })));
  $("away").setAttribute("aria-pressed", String(away));
  put($("away").lastElementChild, away ? "away" : "on_duty");
}

async function switchDuty() {
  state.me = await call("POST", "me", { away: !state.me.away });
  showMe();
}

function wire() {
  wireInbox(openTalk);
  wireLines();
  wireEditor(changed);
  wireSide(openTalk);
  acts.wireActs(changed);
  wirePages(openTalk);
  wireKeys({
    j: () => step(1), k: () => step(-1), c: acts.claim, d: () => takeDraft(), u: useDraft, i: acts.findSource, s: nextStep, n: acts.note, t: acts.transfer, b: acts.giveBack, e: acts.end, r: () => $("text").focus(), "?": showKeys, send,
    1: () => openBox("waiting"), 2: () => openBox("mine"), 3: () => openBox("others"), 4: () => openBox("ended"),
  });
  document.querySelectorAll("[data-open]").forEach((one) => one.addEventListener("click", () => open(one.dataset.open)));
  document.querySelectorAll("[data-pane-open]").forEach((one) => one.addEventListener("click", () => pane(one.dataset.paneOpen)));
  $("do-draft").addEventListener("click", () => { takeDraft(); if (innerWidth < 900) pane("side"); });
  $("do-source").addEventListener("click", acts.findSource);
  $("do-step").addEventListener("click", nextStep);
  $("do-note").addEventListener("click", acts.note);
  $("keys").addEventListener("click", showKeys);
  $("language").addEventListener("click", switchLanguage);
  $("theme").addEventListener("click", switchTheme);
  $("away").addEventListener("click", switchDuty);
}

async function main() {
  wire();
  speak(inEnglish() ? "en" : "zh");
  state.me = await call("GET", "me");
  showMe();
  const inbox = await call("GET", "inbox");
  state.rows = new Map(inbox.rows.map((row) => [row.conversation, row]));
  state.onDuty = inbox.on_duty;
  state.ahead = inbox.now - Date.now() / 1000;
  openBox(inBox("mine").length ? "mine" : "waiting");
  const wanted = location.hash.slice(1);
  if (["complaints", "scripts", "figures"].includes(wanted)) open(wanted);
  else if (wanted) openTalk(wanted);
  listen();
  countOverdue();
}

main();
