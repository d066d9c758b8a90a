/* What the desk knows: the inbox, the conversation on screen, what is being written in each. */
export const state = {
  me: null,
  rows: new Map(),
  onDuty: [],
  ahead: 0,
  box: "waiting",
  current: null,
  view: null,
  draft: null,
  drafting: false,
};

const writing = new Map();

/* What is being written to one customer; it survives going to another conversation and back. */
export function paper(conversation) {
  if (!writing.has(conversation)) {
    let kept = null;
    try { kept = JSON.parse(sessionStorage.getItem(`desk.${conversation}`)); } catch (error) { /* nothing kept */ }
    writing.set(conversation, kept || { text: "", sources: [], draft: null, key: null, answering: null, override: "" });
  }
  return writing.get(conversation);
}

export function keepPaper(conversation) {
  const page = writing.get(conversation);
  try { sessionStorage.setItem(`desk.${conversation}`, JSON.stringify(page)); } catch (error) { /* it lasts as long as the page */ }
}

export function cleanPaper(conversation) {
  writing.delete(conversation);
  try { sessionStorage.removeItem(`desk.${conversation}`); } catch (error) { /* gone with the page */ }
}

export const now = () => Date.now() / 1000 + state.ahead;

export function boxOf(row) {
  if (row.status === "ended") return "ended";
  if (row.status === "waiting") return "waiting";
  return row.owner === state.me.person.id ? "mine" : "others";
}

export function inBox(box) {
  const found = Array.from(state.rows.values()).filter((row) => boxOf(row) === box);
  if (box === "ended") return found.sort((a, b) => b.ended_at - a.ended_at);
  const rank = (row) => (box === "waiting" ? row.urgency : Number(Boolean(row.waiting_since)));
  const since = (row) => (box === "waiting" ? row.opened_at : row.waiting_since || row.opened_at);
  return found.sort((a, b) => rank(b) - rank(a) || since(a) - since(b));
}

export const mine = () => Boolean(state.view && state.view.row.status === "held" && state.view.row.owner === state.me.person.id);
