/* Taking, passing on, ending, noting, finding sources. */
import { call, Problem, talkPath } from "./api.js";
import { $, button, make, toast } from "./dom.js";
import { insert } from "./editor.js";
import { inEnglish, put, say } from "./say.js";
import { area, choice, close, field, form, sheet } from "./sheet.js";
import { mine, state } from "./store.js";

let changed = () => {};

export function wireActs(after) { changed = after; }

export async function act(path, body) {
  const conversation = state.current;
  try {
    const row = await call("POST", `${talkPath(conversation)}/${path}`, body || {});
    if (row && row.conversation) state.rows.set(conversation, row);
    await changed(conversation);
    return true;
  } catch (error) {
    toast(error instanceof Problem ? error.detail[inEnglish() ? 1 : 0] || error.detail[0] : say("lost"));
    await changed(conversation);
    return false;
  }
}

export async function claim() {
  if (state.rows.get(state.current)?.status === "waiting" && await act("claim")) $("text").focus();
}

export function giveBack() { if (mine()) act("end", { reason: "handed_back" }); }

export function end() {
  if (!mine()) return;
  const reasons = choice(state.me.end_reasons.filter((one) => one !== "handed_back").map((one) => [one, say(`reason_${one}`)]));
  sheet("end_title", form([field("reason", "l_status", reasons), field("words", "end_why", area(2, 500))], "solve", (values) => act("end", values)));
}

export function transfer() {
  if (!mine()) return;
  const others = state.onDuty.filter((one) => one.id !== state.me.person.id);
  const people = choice([["", say("transfer_queue")], ...others.map((one) => [one.id, `${one.name} · ${say(one.role)}`])]);
  if (others.length) people.value = others[0].id;
  const detail = others.length ? null : put(make("p", "soft"), "transfer_nobody");
  sheet("transfer_title", detail, form([field("to", "transfer", people), field("reason", "transfer_why", area(2, 500))], "transfer", (values) => act("transfer", { to: values.to || null, reason: values.reason })));
}

export function note() {
  if (!state.view) return;
  sheet("note_title", put(make("p", "soft"), "note_detail"), form([field("text", "note", area(4))], "ok", async (values) => Boolean(values.text.trim()) && act("notes", values)));
}

export function complain() {
  if (!state.view) return;
  const subject = area(4);
  subject.value = state.view.summary.asked.slice(-1)[0] || "";
  sheet("complain_title", form([field("subject", "complain_subject", subject)], "complain", async (values) => {
    if (!values.subject.trim()) return false;
    try {
      const made = await call("POST", "complaints", { conversation: state.current, subject: values.subject });
      toast(say("complained", { number: made.number, date: made.due_on }));
      changed(state.current);
      return true;
    } catch (error) {
      toast(say("failed_call"));
      return false;
    }
  }));
}

export function findSource() {
  if (!mine()) return;
  const words = make("input");
  words.type = "search";
  words.maxLength = 200;
  words.name = "words";
  words.value = (state.view.summary.asked.slice(-1)[0] || "").slice(0, 100);
  words.setAttribute("aria-label", say("find"));
  words.placeholder = say("find");
  const go = make("button", "primary");
  go.type = "submit";
  const results = make("div", "results");
  const asking = make("form", "search", words, put(go, "find_go"));
  const look = async () => {
    if (!words.value.trim()) return;
    try {
      const found = (await call("GET", `sources?words=${encodeURIComponent(words.value.trim())}`)).sources;
      results.replaceChildren(...(found.length ? found.map(sourceOf) : [put(make("p", "soft"), "find_none")]));
    } catch (error) { results.replaceChildren(put(make("p", "soft"), "failed_call")); }
  };
  asking.addEventListener("submit", (event) => { event.preventDefault(); look(); });
  sheet("source", asking, results);
  words.select();
  look();
}

function sourceOf(source) {
  const use = (quote) => {
    close();
    insert(quote ? source.text : "", [source]);
  };
  const path = source.heading.length ? make("p", "soft", source.heading.join(" › ")) : null;
  return make("article", "result", make("p", "", make("b", "", `《${source.title}》`), source.effective_from ? put(make("time", "soft"), "since", { date: source.effective_from }) : null), path, make("p", "words", source.text), make("div", "acts", put(button("primary", () => use(true)), "quote"), put(button("plain", () => use(false)), "insert")));
}
