/* Everything by keyboard. Inside the message box letters write; with Alt they act. */
import { make } from "./dom.js";
import { put } from "./say.js";
import { sheet } from "./sheet.js";

const SHOWN = [["J / K", "k_next"], ["1 2 3 4", "k_box"], ["C", "k_claim"], ["D", "k_draft"], ["U", "k_use"], ["I", "k_source"], ["S", "k_step"], ["N", "k_note"], ["R", "k_write"], ["Esc", "k_leave"], ["Ctrl ⏎", "k_send"], ["T", "k_transfer"], ["B", "k_back"], ["E", "k_end"], ["Alt", "k_alt"]];

export function wireKeys(acts) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const writing = event.target.closest("textarea, input, select");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.id === "text") {
      event.preventDefault();
      acts.send();
      return;
    }
    if (event.key === "Escape" && writing && !document.querySelector("dialog[open]")) {
      writing.blur();
      return;
    }
    if (event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (writing && !event.altKey) return;
    const name = event.altKey && /^Key[A-Z]$|^Digit[1-4]$/.test(event.code) ? event.code.slice(-1).toLowerCase() : event.key.toLowerCase();
    const act = acts[name];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

export function showKeys() {
  const list = make("dl", "keys");
  SHOWN.forEach(([key, words]) => list.append(make("dt", "", make("kbd", "", key)), put(make("dd"), words)));
  sheet("keys_title", list);
}
