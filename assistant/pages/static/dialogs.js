/* Sheets: the first-use notice, a source, a question to confirm. */
import { blocks, pairList, pairs, place } from "./blocks.js";
import { $, make } from "./dom.js";
import { call } from "./transport.js";
import { put, say } from "./words.js";

const cache = new Map();

export function open(dialog) {
  if (dialog.open) return;
  if (dialog.showModal) dialog.showModal();
  else openPlainly(dialog);
}

export function close(dialog) {
  if (dialog.close && dialog.showModal) dialog.close();
  else {
    dialog.removeAttribute("open");
    $("app").inert = false;
    dialog.dispatchEvent(new Event("close"));
  }
}

/* A browser without modal dialogs: the rest of the page is switched off by hand. */
function openPlainly(dialog) {
  dialog.setAttribute("open", "");
  dialog.setAttribute("role", "dialog");
  dialog.setAttribute("aria-modal", "true");
  $("app").inert = true;
  const stops = () => Array.from(dialog.querySelectorAll("button, a[href], [tabindex='0']"));
  dialog.onkeydown = (event) => {
    if (event.key === "Escape") dialog.dispatchEvent(new Event("cancel"));
    if (event.key !== "Tab") return;
    const all = stops();
    const edge = event.shiftKey ? all[0] : all[all.length - 1];
    if (document.activeElement === edge) {
      event.preventDefault();
      (event.shiftKey ? all[all.length - 1] : all[0]).focus();
    }
  };
  stops()[0].focus();
}

/* Both answers weigh the same; leaving by Escape is declining. */
export function notice(agreed, declined) {
  const dialog = $("notice");
  $("agree").onclick = () => { dialog.oncancel = null; close(dialog); agreed(); };
  $("decline").onclick = () => { close(dialog); declined(); };
  dialog.oncancel = (event) => { event.preventDefault(); close(dialog); declined(); };
  open(dialog);
  dialog.querySelector(".sheet-in").scrollTop = 0;
  $("notice-title").focus();
}

export function confirmErase(yes) {
  const dialog = $("confirm");
  $("confirm-yes").onclick = () => { close(dialog); yes(); };
  $("confirm-no").onclick = () => close(dialog);
  dialog.oncancel = () => close(dialog);
  open(dialog);
}

export async function openSource(cited) {
  const dialog = $("source");
  const inside = $("source-in");
  $("source-close").onclick = () => close(dialog);
  dialog.oncancel = () => close(dialog);
  dialog.onclick = (event) => { if (event.target === dialog) close(dialog); };
  inside.replaceChildren(...sheet(cited, null, "sheet_loading"));
  open(dialog);
  inside.scrollTop = 0;
  $("source-close").focus();
  try {
    if (!cache.has(cited.passage)) cache.set(cited.passage, await call("GET", `v1/sources/${encodeURIComponent(cited.passage)}`));
    inside.replaceChildren(...sheet(cited, cache.get(cited.passage), null));
  } catch (error) {
    inside.replaceChildren(...sheet(cited, null, "sheet_failed"));
  }
  inside.querySelector("mark")?.scrollIntoView({ block: "nearest" });
}

function sheet(cited, source, told) {
  const shown = source || cited;
  const title = make("h2", "", `《${shown.title}》`);
  title.id = "source-name";
  title.lang = "zh-CN";
  const parts = [title, particulars(shown)];
  if (source && !source.current) parts.push(put(make("p", "stale"), "sheet_old"));
  if (told) parts.push(put(make("p", "soft"), told));
  if (source) parts.push(passageOf(source, cited.quote), legend());
  else if (told === "sheet_failed") parts.push(make("div", "passage", make("mark", "", cited.quote)));
  parts.push(put(make("p", "latest"), "sheet_latest"));
  return parts;
}

function particulars(shown) {
  const list = make("dl", "particulars");
  const add = (key, value) => { if (value) list.append(put(make("dt"), key), make("dd", "", value)); };
  add("sheet_version", shown.version);
  add("sheet_date", shown.effective_from);
  add("sheet_until", shown.effective_to);
  add("sheet_heading", (shown.heading || []).join(" › "));
  add("sheet_origin", shown.source);
  return list;
}

/* The passage with the quoted words marked, line by line where the quote runs over several. */
function passageOf(source, quote) {
  const box = make("div", "passage body");
  box.lang = "zh-CN";
  const found = place(source.text, quote);
  const quoted = found ? [found] : quote.split("\n").map((line) => place(source.text, line.replace(/^(?:- |\d+\. )/, "").trim())).filter(Boolean);
  const ranges = quoted.map((range) => ({ ...range, wrap: () => make("mark") }));
  const row = pairs(source.text);
  box.append(row ? pairList(source.text, row, ranges) : blocks(source.text, [], ranges));
  return box;
}

function legend() { return make("p", "soft legend", make("mark", "", "　"), " ", put(make("span"), "sheet_quote")); }

export function closeAll() { document.querySelectorAll("dialog[open]").forEach(close); }
