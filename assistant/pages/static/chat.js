/* The customer page: consent, asking, resuming, erasing. */
import { body, frame, whole } from "./answer.js";
import { follow, isLeaving, kept, leaveMessage, personTurn, saidBy, unfollow, wireDesk, withPerson } from "./desk.js";
import { closeAll, confirmErase, notice } from "./dialogs.js";
import { $, button, icon, make, pause, stillness, toast } from "./dom.js";
import { measure, wireLooks } from "./looks.js";
import { agree, forget, hasAgreed, keep, recall } from "./memory.js";
import { ask, call, Lost, Problem, uuid } from "./transport.js";
import { firm, maxChars, put, say } from "./words.js";

const HUMAN = "转人工";
const BACKOFF = [700, 2000, 5000, 10000];
const box = $("question");
let pending = null;
let next = null;
let life = 0;

/* asking */

function send(text) {
  const message = text.trim();
  if (!message || Array.from(message).length > maxChars) return false;
  if (!hasAgreed()) {
    welcome(() => send(message));
    return true;
  }
  if (pending) {
    if (message !== HUMAN) return false;
    next = message;
    return true;
  }
  begin({ key: uuid(), text: message, conversation: recall("conversation") });
  return true;
}

function begin(message) {
  pending = message;
  keep("pending", message);
  $("live").replaceChildren();
  run(message, newTurn(message.text));
}

function newTurn(text) {
  $("start").hidden = true;
  $("declined").hidden = true;
  document.querySelectorAll(".turn.fresh").forEach((turn) => turn.classList.remove("fresh"));
  const asked = make("div", "asked", put(make("span", "sr"), "you"), make("p", "", text));
  const turn = make("section", "turn fresh", asked, make("div", "reply"));
  $("log").append(turn);
  measure();
  turn.scrollIntoView({ block: "start", behavior: stillness() ? "auto" : "smooth" });
  refresh();
  return turn;
}

/* Keeps asking with the same key until there is an answer or a reason; the server answers a key once. */
async function run(message, turn) {
  const mine = life;
  const place = turn.querySelector(".reply");
  const heard = { announced: 0 };
  progress(place, withPerson() ? "delivering" : "searching");
  for (let attempt = 0; ; attempt += 1) {
    try {
      const shown = unfold(place, heard);
      const request = { message: message.text, key: message.key };
      if (message.conversation) request.conversation = message.conversation;
      const reply = await ask(request, shown.take);
      await shown.end();
      if (mine === life) finish(reply, turn, heard);
      return;
    } catch (error) {
      if (mine !== life) return;
      if (!(await mayContinue(error, attempt, message, turn))) return;
      heard.waiting = true;
    }
  }
}

async function mayContinue(error, attempt, message, turn) {
  const place = turn.querySelector(".reply");
  if (error instanceof Lost) {
    if (attempt >= BACKOFF.length) return trouble(turn, message, "lost");
    if (navigator.onLine === false) {
      progress(place, "waiting_offline");
      await new Promise((back) => { addEventListener("online", back, { once: true }); });
    } else {
      progress(place, "reconnecting");
      await pause(BACKOFF[attempt]);
    }
    return true;
  }
  if (!(error instanceof Problem)) throw error;
  if (error.code === "too_many_requests") {
    progress(place, "slow_down", { seconds: error.wait });
    await pause(error.wait * 1000);
    return true;
  }
  if (error.code === "unknown_conversation" && message.conversation) {
    message.conversation = null;
    keep("pending", message);
    forget("conversation");
    turn.before(put(make("p", "note"), "restarted"));
    return true;
  }
  if (error.status >= 500) return trouble(turn, message, error.code === "busy" ? "busy" : "unavailable");
  return trouble(turn, message, "rejected");
}

/* Says what happened and what to do; the message stays and can be sent again under its key. */
function trouble(turn, message, key) {
  const place = turn.querySelector(".reply");
  const answer = frame();
  const card = make("div", "trouble", put(make("p"), key));
  if (key === "rejected") {
    settle();
    if (!box.value) box.value = message.text;
    grow();
  } else {
    const again = button("button", () => {
      if (pending && pending.key !== message.key) return;
      pending = message;
      refresh();
      run(message, turn);
    });
    card.append(put(again, "retry"));
  }
  if (firm.hotline) {
    const dial = make("a", "", put(make("span"), "call"));
    dial.href = `tel:${firm.hotline}`;
    card.append(dial);
  }
  answer.append(card);
  place.replaceChildren(answer);
  announce(say(key));
  if (pending && pending.key === message.key) pending = null;
  refresh();
  return false;
}

function progress(place, key, values) {
  const dots = make("span", "dots", make("i"), make("i"), make("i"));
  dots.setAttribute("aria-hidden", "true");
  const answer = frame();
  answer.append(make("p", "progress", dots, put(make("span"), key, values)));
  place.replaceChildren(answer);
  announce(say(key, values));
}

/* Shows released sentences one after the other and reads each of them out once. */
function unfold(place, heard) {
  const queue = [];
  let text = "";
  let busy = null;
  async function drain() {
    while (queue.length) {
      const piece = queue.shift();
      text += piece;
      const answer = frame();
      answer.append(body(text, true));
      place.replaceChildren(answer);
      if (text.length > heard.announced) {
        announce(piece);
        heard.announced = text.length;
      }
      await pause(tempo());
    }
    busy = null;
  }
  return {
    take(name, data) {
      if (name === "status" && heard.waiting) {
        heard.waiting = false;
        progress(place, "searching");
      }
      if (name !== "delta") return;
      queue.push(data.text);
      busy = busy || drain();
    },
    async end() { await busy; },
  };
}

function tempo() {
  if (stillness() || document.hidden) return 0;
  return document.documentElement.dataset.size === "large" ? 380 : 90;
}

function finish(reply, turn, heard) {
  keep("conversation", reply.conversation);
  settle();
  const twin = document.querySelector(`.turn:not(.fresh) .answer[data-turn="${CSS.escape(reply.turn)}"]`);
  if (twin) turn.remove();
  else turn.querySelector(".reply").replaceChildren(...shown(reply));
  if (!heard.announced && reply.body) announce(reply.body);
  if (reply.outcome === "handoff") follow(reply.conversation);
  reply.notices.forEach(announce);
  if (reply.citations.length) announce(say("source_count", { n: reply.citations.length }));
  refresh();
  if (next) {
    const waiting = next;
    next = null;
    send(waiting);
  }
}

function shown(reply) { return reply.body ? whole(reply, choose) : [kept()]; }

function settle() {
  pending = null;
  forget("pending");
}

function choose(text) { send(text); }

function announce(text) {
  if (text.trim()) $("live").append(make("p", "", text));
}

/* stored conversation */

async function resume() {
  const conversation = recall("conversation");
  const unfinished = recall("pending");
  if (!conversation && !unfinished) return;
  const mine = life;
  $("start").hidden = true;
  const note = put(make("p", "note"), "restoring");
  $("log").append(note);
  const stored = conversation ? await past(conversation) : [];
  if (mine !== life) return;
  note.remove();
  const people = stored.some((turn) => turn.reply.outcome === "handoff") ? await saidBy(conversation) : [];
  if (mine !== life) return;
  const all = [...stored.map((turn) => [Date.parse(turn.at) / 1000, () => storedTurn(turn)]), ...people.map((one) => [one.at, () => personTurn(one)])];
  all.sort((a, b) => a[0] - b[0]).forEach(([, made]) => $("log").append(made()));
  if (unfinished) await resumeMessage(unfinished, stored);
  else $("log").lastElementChild?.scrollIntoView({ block: "start" });
  $("start").hidden = Boolean($("log").childElementCount);
  refresh();
}

function storedTurn(turn) {
  const made = make("section", "turn", make("div", "asked", put(make("span", "sr"), "you"), make("p", "", turn.question)));
  made.append(make("div", "reply", ...shown(turn.reply)));
  return made;
}

/* A message that was under way when the page was left: its answer may stand among the stored turns already. */
async function resumeMessage(message, stored) {
  const seen = new Set(stored.map((turn) => turn.reply.turn));
  pending = message;
  refresh();
  try {
    const request = { message: message.text, key: message.key };
    if (message.conversation) request.conversation = message.conversation;
    const quiet = make("p", "note");
    $("log").append(put(quiet, "restoring"));
    const reply = await ask(request, () => {});
    quiet.remove();
    if (seen.has(reply.turn)) {
      settle();
      $("log").lastElementChild?.scrollIntoView({ block: "start" });
    } else finish(reply, newTurn(message.text), { announced: 0 });
  } catch (error) {
    document.querySelector("#log > .note")?.remove();
    run(message, newTurn(message.text));
  }
}

async function past(conversation) {
  try {
    return (await call("GET", `v1/conversations/${encodeURIComponent(conversation)}`)).turns;
  } catch (error) {
    if (error instanceof Problem && error.code === "unknown_conversation") forget("conversation");
    else toast(say("offline"));
    return [];
  }
}

async function erase() {
  const conversation = recall("conversation");
  try {
    if (conversation) await call("DELETE", `v1/conversations/${encodeURIComponent(conversation)}`);
  } catch (error) {
    if (!(error instanceof Problem && error.status === 404)) {
      toast(say("erase_failed"));
      return;
    }
  }
  life += 1;
  next = null;
  unfollow();
  settle();
  forget("conversation", "rated");
  $("log").replaceChildren();
  $("live").replaceChildren();
  $("start").hidden = false;
  $("scroll").scrollTop = 0;
  refresh();
  toast(say("erased"));
  ready();
}

/* The keyboard of a phone would hide what is being read: only a pointer that is fine gets the cursor at once. */
function ready() {
  if (matchMedia("(pointer: fine)").matches) box.focus({ preventScroll: true });
  else $("scroll").focus({ preventScroll: true });
}

/* first use */

function welcome(then) {
  notice(
    () => {
      agree();
      $("declined").hidden = true;
      $("start").hidden = Boolean($("log").childElementCount);
      refresh();
      ready();
      if (then) then();
    },
    () => {
      $("start").hidden = true;
      $("declined").hidden = false;
      refresh();
      $("again").focus();
    },
  );
}

/* composer */

function grow() {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
  const count = Array.from(box.value.trim()).length;
  const over = count - maxChars;
  const place = $("count");
  place.hidden = count < maxChars * 0.8;
  place.classList.toggle("over", over > 0);
  $("hint").hidden = !place.hidden;
  if (!place.hidden) put(place, over > 0 ? "count_over" : "count", { count, max: maxChars, over });
  refresh();
}

function refresh() {
  const count = Array.from(box.value.trim()).length;
  const stopped = !$("declined").hidden;
  $("send").setAttribute("aria-disabled", String(!count || count > maxChars || Boolean(pending) || stopped));
  box.disabled = stopped;
  $("composer").classList.toggle("stopped", stopped);
  $("erase").disabled = !recall("conversation") && !$("log").childElementCount;
}

async function leave() {
  const text = box.value.trim();
  if (!text || Array.from(text).length > maxChars || !(await leaveMessage(text))) return;
  const turn = newTurn(text);
  turn.querySelector(".reply").replaceChildren(kept());
  box.value = "";
  grow();
}

function submit() {
  if (isLeaving()) leave();
  else if (send(box.value)) {
    box.value = "";
    grow();
  }
}

function wire() {
  $("composer").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  box.addEventListener("input", grow);
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  });
  document.querySelectorAll("[data-ask]").forEach((one) => one.addEventListener("click", () => send(one.dataset.ask)));
  document.querySelectorAll("#human, [data-human]").forEach((one) => one.addEventListener("click", () => send(HUMAN)));
  $("again").addEventListener("click", () => welcome());
  $("erase").addEventListener("click", () => confirmErase(erase));
  const line = () => { $("offline").hidden = navigator.onLine !== false; };
  addEventListener("online", line);
  addEventListener("offline", line);
  line();
  addEventListener("pagehide", closeAll);
}

function main() {
  wire();
  wireDesk(announce, refresh);
  wireLooks(grow);
  grow();
  if (hasAgreed()) resume();
  else welcome();
}

main();
