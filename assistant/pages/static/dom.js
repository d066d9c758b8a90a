/* Elements from plain text only: nothing that was written by anyone is ever parsed as markup. */
export const $ = (id) => document.getElementById(id);

export function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  children.forEach((child) => { if (child !== null && child !== undefined) element.append(child); });
  return element;
}

export function button(name, act, ...children) {
  const element = make("button", name, ...children);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

let hiding = 0;
export function toast(text) {
  const place = $("toast");
  place.textContent = text;
  place.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { place.hidden = true; }, 3200);
}

export function stillness() { return matchMedia("(prefers-reduced-motion: reduce)").matches; }

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
