/* The list of conversations: what needs a person first, waiting time and gravity visible without reading. */
import { $, make } from "./dom.js";
import { put, say, span } from "./say.js";
import { inBox, now, state } from "./store.js";

const GRAVE = { distress: "grave", fraud: "grave", complaint: "serious" };
let choose = () => {};

export function wireInbox(chosen) {
  choose = chosen;
  document.querySelectorAll("[data-box]").forEach((tab) => tab.addEventListener("click", () => openBox(tab.dataset.box)));
  setInterval(tick, 5000);
}

export function openBox(box) {
  state.box = box;
  document.querySelectorAll("[data-box]").forEach((tab) => tab.setAttribute("aria-selected", String(tab.dataset.box === box)));
  $("rows").replaceChildren();
  showInbox(true);
}

/* While somebody types nothing jumps: rows change in place and new ones go to the end, until the hands rest. */
export function showInbox(order = false) {
  ["waiting", "mine", "others"].forEach((box) => { $(`n-${box}`).textContent = inBox(box).length || ""; });
  const rows = inBox(state.box);
  const list = $("rows");
  const known = new Map(Array.from(list.children, (item) => [item.dataset.conversation, item]));
  rows.forEach((row) => {
    const old = known.get(row.conversation);
    known.delete(row.conversation);
    if (old) fill(old, row);
    else list.append(fill(newItem(), row));
  });
  known.forEach((item) => item.remove());
  const typing = document.activeElement === $("text") && $("text").value;
  if (order || !typing) {
    const order_ = rows.map((row) => row.conversation).join();
    if (Array.from(list.children, (item) => item.dataset.conversation).join() !== order_) {
      const at = new Map(Array.from(list.children, (item) => [item.dataset.conversation, item]));
      const focused = document.activeElement;
      rows.forEach((row) => list.append(at.get(row.conversation)));
      if (list.contains(focused)) focused.focus();
    }
  }
  $("rows-empty").hidden = rows.length > 0;
  put($("rows-empty"), `empty_${state.box}`);
}

function newItem() {
  const item = make("li");
  const open = make("button", "row");
  open.type = "button";
  open.addEventListener("click", () => choose(item.dataset.conversation));
  item.append(open);
  return item;
}

function fill(item, row) {
  const stamp = JSON.stringify([row, state.current === row.conversation, document.documentElement.lang]);
  item.dataset.conversation = row.conversation;
  if (item.stamp === stamp) return item;
  item.stamp = stamp;
  const open = item.firstElementChild;
  open.className = `row ${row.status === "ended" ? "" : GRAVE[row.intent] || ""}`;
  open.setAttribute("aria-current", String(state.current === row.conversation));
  const head = make("span", "row-head", put(make("b", "kind"), `intent_${row.intent}`));
  const since = make("time", row.waiting_since ? "wait" : "");
  since.dataset.since = row.waiting_since || "";
  since.dataset.at = row.status === "ended" ? row.ended_at : row.opened_at;
  head.append(since);
  const preview = make("span", "preview", row.preview || "—");
  const marks = make("span", "marks");
  if (row.senior) marks.append(put(make("span", "mark"), "senior"));
  if (!row.in_hours) marks.append(put(make("span", "mark"), "after_hours"));
  if (row.channel !== "web") marks.append(make("span", "mark", row.channel));
  if (row.owner && row.status === "held" && row.owner !== state.me.person.id) marks.append(make("span", "mark", row.owner_name));
  if (row.rating) marks.append(make("span", "mark", "★".repeat(row.rating)));
  if (row.unread && row.status !== "ended") marks.append(make("span", "unread", String(row.unread)));
  open.replaceChildren(head, preview, marks);
  showTime(since);
  return item;
}

function showTime(element) {
  if (element.dataset.since) {
    const waited = now() - Number(element.dataset.since);
    element.textContent = say("wait", { time: span(waited) });
    element.classList.toggle("long", waited > 180);
  } else element.textContent = say("waited", { time: span(now() - Number(element.dataset.at)) });
}

function tick() { $("rows").querySelectorAll("time").forEach(showTime); }
