/* One dialog for everything that asks: notes, transfer, ending, sources, shortcuts. */
import { $, button, icon, make } from "./dom.js";
import { put } from "./say.js";

export function sheet(title, ...content) {
  const dialog = $("sheet");
  const name = put(make("h2"), title);
  name.id = "sheet-title";
  const shut = button("icon", close, icon("close"));
  shut.setAttribute("aria-label", "×");
  dialog.replaceChildren(make("div", "sheet-head", name, shut), make("div", "sheet-in", ...content));
  dialog.onclick = (event) => { if (event.target === dialog) close(); };
  if (!dialog.open) dialog.showModal();
  const first = dialog.querySelector("textarea, input, select, .sheet-in button");
  if (first) first.focus();
  return dialog;
}

export function close() { if ($("sheet").open) $("sheet").close(); }

/* A form with fields and one act; `act(values)` closes the sheet when it comes back true. */
export function form(fields, label, act) {
  const made = make("form", "form");
  fields.forEach((field) => made.append(field));
  const done = make("button", "primary");
  done.type = "submit";
  made.append(make("div", "row-end", put(button("plain", close), "cancel"), put(done, label)));
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    done.disabled = true;
    const values = Object.fromEntries(new FormData(made).entries());
    if (await act(values)) close();
    done.disabled = false;
  });
  return made;
}

export function field(name, label, element) {
  const wrap = make("label", "field", put(make("span"), label), element);
  element.name = name;
  return wrap;
}

export function area(rows = 3, most = 2000) {
  const element = make("textarea");
  element.rows = rows;
  element.maxLength = most;
  return element;
}

export function choice(options) {
  const element = make("select");
  options.forEach(([value, words]) => {
    const option = make("option", "", words);
    option.value = value;
    element.append(option);
  });
  return element;
}
