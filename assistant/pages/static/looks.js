/* Language, size, theme, and the room the page has. */
import { $ } from "./dom.js";
import { keep, recall } from "./memory.js";
import { currentLanguage, put, speak } from "./words.js";

function looks(change) {
  keep("look", { ...(recall("look") || {}), ...change });
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function showLooks() {
  const large = document.documentElement.dataset.size === "large";
  $("elder").setAttribute("aria-pressed", String(large));
  put($("elder").lastElementChild, large ? "elder_off" : "elder_on");
  put($("theme").lastElementChild, isDark() ? "light" : "dark");
}

function switchLanguage() {
  speak(currentLanguage() === "en" ? "zh" : "en");
  looks({ language: currentLanguage() });
  showLooks();
}

/* The keyboard takes room from the page, not from the header or the composer. */
function fit() {
  const view = window.visualViewport;
  if (!view || view.scale > 1.01) return;
  const root = document.documentElement;
  root.style.setProperty("--view", `${view.height}px`);
  root.style.setProperty("--view-top", `${view.offsetTop}px`);
  root.toggleAttribute("data-compact", view.height < 460);
  measure();
}

/* How much room a turn has, so that a new question stands at the top. */
export function measure() {
  document.documentElement.style.setProperty("--room", `${$("scroll").clientHeight - 1}px`);
}

/* `resized` is called when the size of type changed. */
export function wireLooks(resized) {
  $("language").addEventListener("click", switchLanguage);
  $("notice-language").addEventListener("click", switchLanguage);
  $("elder").addEventListener("click", () => {
    const root = document.documentElement;
    if (root.dataset.size === "large") delete root.dataset.size;
    else root.dataset.size = "large";
    looks({ size: root.dataset.size || "standard" });
    showLooks();
    resized();
    measure();
  });
  $("theme").addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    looks({ theme });
    showLooks();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener?.("change", showLooks);
  window.visualViewport?.addEventListener("resize", fit);
  window.visualViewport?.addEventListener("scroll", fit);
  addEventListener("resize", measure);
  const kept = recall("look");
  if (kept && kept.language && kept.language !== currentLanguage()) speak(kept.language);
  showLooks();
  fit();
  measure();
}
