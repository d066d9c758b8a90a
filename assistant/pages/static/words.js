/* The page's words in the chosen language. Firm facts fill the blanks. */
const boot = JSON.parse(document.getElementById("boot").textContent);
let language = boot.language;

export const maxChars = boot.maxChars;
export const firm = boot.firm;
export const desk = Boolean(boot.desk);

export function currentLanguage() { return language; }

export function say(key, values) {
  const names = {
    ...firm,
    model: firm.ai_model_name,
    filing: firm.ai_filing,
    firm: (language === "en" && firm.name_en) || firm.name || boot.strings[language].firm_fallback,
    ...values,
  };
  if (key === "firm_name") return names.firm === boot.strings[language].firm_fallback ? say("name_fallback") : names.firm;
  const words = boot.strings[language][key];
  return words.replace(/\{(\w+)\}/g, (blank, name) => (names[name] === undefined ? blank : String(names[name])));
}

/* Put words on an element so that a change of language reaches them. */
export function put(element, key, values) {
  element.dataset.t = key;
  if (values) element.dataset.values = JSON.stringify(values);
  else delete element.dataset.values;
  element.textContent = say(key, values);
  return element;
}

export function label(element, key, values) {
  element.dataset.tLabel = key;
  if (values) element.dataset.labelValues = JSON.stringify(values);
  element.setAttribute("aria-label", say(key, values));
  return element;
}

function valuesOf(element, name) {
  const values = element.dataset[name] ? JSON.parse(element.dataset[name]) : undefined;
  if (values && /^R[1-5]$/.test(values.code || "")) values.words = say(`grade_${values.code}`);
  return values;
}

export function speak(chosen) {
  language = chosen === "en" ? "en" : "zh";
  const root = document.documentElement;
  root.lang = language === "en" ? "en" : "zh-CN";
  document.title = say("title");
  document.querySelectorAll("[data-t]").forEach((element) => {
    element.textContent = say(element.dataset.t, valuesOf(element, "values"));
    if (element.hasAttribute("data-t-lang")) element.lang = language === "en" ? "zh-CN" : "en";
  });
  document.querySelectorAll("[data-t-label]").forEach((element) => {
    element.setAttribute("aria-label", say(element.dataset.tLabel, valuesOf(element, "labelValues")));
  });
  document.querySelectorAll("[data-t-placeholder]").forEach((element) => {
    element.placeholder = say(element.dataset.tPlaceholder);
  });
  document.querySelectorAll("[data-zh]").forEach((element) => { element.textContent = element.dataset[language]; });
}
