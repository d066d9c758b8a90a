/* Thumbs and, for a thumb down, why. */
import { button, icon, make } from "./dom.js";
import { keep, recall } from "./memory.js";
import { call } from "./transport.js";
import { currentLanguage, label, put, say } from "./words.js";

const REASONS = ["why_wrong", "why_missed", "why_unclear", "why_long", "why_old"];
const MOST = 300;

export function feedbackButtons(turn, answer, told) {
  const rated = recall("rated") || {};
  const up = button("", () => give("up", ""), icon("up"), put(make("span"), "helpful"));
  const down = button("", () => askWhy(), icon("down"), put(make("span"), "unhelpful"));
  show(rated[turn]);

  function show(verdict) {
    up.setAttribute("aria-pressed", String(verdict === "up"));
    down.setAttribute("aria-pressed", String(verdict === "down"));
  }

  async function give(verdict, reason) {
    answer.querySelector(".why")?.remove();
    try {
      await call("POST", "v1/feedback", { turn, verdict, reason });
    } catch (error) {
      put(told, "feedback_failed");
      return;
    }
    keep("rated", { ...(recall("rated") || {}), [turn]: verdict });
    show(verdict);
    put(told, "thanks");
  }

  function askWhy() {
    const open = answer.querySelector(".why");
    if (open) {
      open.remove();
      return;
    }
    const form = whyForm((reason) => { give("down", reason); down.focus(); }, () => { form.remove(); down.focus(); });
    answer.append(form);
    form.querySelector(".chip").focus();
    form.scrollIntoView({ block: "nearest" });
  }

  return [up, down];
}

function whyForm(submit, cancel) {
  const form = label(make("form", "why"), "why");
  const chips = make("div", "chips");
  REASONS.forEach((key) => {
    const chip = button("chip", () => chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true")));
    chip.setAttribute("aria-pressed", "false");
    chips.append(put(chip, key));
  });
  const more = label(make("textarea"), "why_text");
  more.maxLength = MOST;
  more.placeholder = say("why_text");
  more.dataset.tPlaceholder = "why_text";
  const done = make("button", "button");
  done.type = "submit";
  form.append(put(make("p", "soft"), "why"), chips, more, make("div", "row", put(done, "submit"), put(button("button", cancel), "cancel")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = Array.from(chips.querySelectorAll("[aria-pressed=true]"), (chip) => chip.textContent);
    submit([...chosen, more.value.trim()].filter(Boolean).join(currentLanguage() === "en" ? "; " : "；"));
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      cancel();
    }
  });
  return form;
}
