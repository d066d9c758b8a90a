/* What this browser keeps, and only after the notice was accepted: consent, conversation, message under way, looks. */
const NOTICE = "1";
const held = new Map();
let agreed = false;

function read(name) {
  try { return JSON.parse(localStorage.getItem(`heshi.${name}`)); } catch (error) { return null; }
}

function write(name, value) {
  held.set(name, value);
  if (!agreed) return;
  try {
    if (value === null || value === undefined) localStorage.removeItem(`heshi.${name}`);
    else localStorage.setItem(`heshi.${name}`, JSON.stringify(value));
  } catch (error) { /* private mode: it lasts as long as the page */ }
}

export function hasAgreed() {
  const kept = read("consent");
  agreed = agreed || Boolean(kept && kept.notice === NOTICE);
  return agreed;
}

export function agree() {
  agreed = true;
  write("consent", { notice: NOTICE, at: new Date().toISOString() });
  held.forEach((value, name) => write(name, value));
}

export function recall(name) {
  if (held.has(name)) return held.get(name);
  return hasAgreed() ? read(name) : null;
}

export function keep(name, value) { write(name, value); }

export function forget(...names) { names.forEach((name) => write(name, null)); }
