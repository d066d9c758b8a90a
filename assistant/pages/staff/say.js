/* The desk's words in the chosen language. */
const boot = JSON.parse(document.getElementById("boot").textContent);
let language = boot.language;
try { language = JSON.parse(localStorage.getItem("heshi.look") || "{}").language || language; } catch (error) { /* the default holds */ }

export const inEnglish = () => language === "en";

export function say(key, values) {
  const words = boot.strings[language][key] ?? boot.strings.zh[key] ?? key;
  return values ? words.replace(/\{(\w+)\}/g, (blank, name) => (values[name] === undefined ? blank : String(values[name]))) : words;
}

/* Words on an element, kept so that a change of language reaches them. */
export function put(element, key, values) {
  element.dataset.t = key;
  if (values) element.dataset.values = JSON.stringify(values);
  else delete element.dataset.values;
  element.textContent = say(key, values);
  return element;
}

export function speak(chosen) {
  language = chosen === "en" ? "en" : "zh";
  document.documentElement.lang = language === "en" ? "en" : "zh-CN";
  document.title = say("title");
  document.querySelectorAll("[data-t]").forEach((one) => { one.textContent = say(one.dataset.t, one.dataset.values && JSON.parse(one.dataset.values)); });
  document.querySelectorAll("[data-t-label]").forEach((one) => { one.setAttribute("aria-label", say(one.dataset.tLabel)); });
  document.querySelectorAll("[data-t-placeholder]").forEach((one) => { one.placeholder = say(one.dataset.tPlaceholder); });
}

export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return say("seconds", { n: whole });
  if (whole < 3600) return say("minutes", { n: Math.floor(whole / 60) });
  if (whole < 172800) return say("hours", { n: Math.floor(whole / 3600) });
  return say("days", { n: Math.floor(whole / 86400) });
}

export function clock(seconds) {
  const at = new Date(seconds * 1000);
  const today = new Date().toDateString() === at.toDateString();
  const options = { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Shanghai", ...(today ? {} : { month: "numeric", day: "numeric" }) };
  return at.toLocaleString(language === "en" ? "en-GB" : "zh-CN", options);
}
