/* The API, and a reply as it comes. Every failure is a Problem or Lost. */
const IDLE = 50000;

export class Lost extends Error {}

export class Problem extends Error {
  constructor(details, status) {
    super(details.code || "unavailable");
    this.code = details.code || "unavailable";
    this.status = status;
    this.wait = details.retry_after || 5;
  }
}

export async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body ? JSON.stringify(body) : undefined,
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (error) { throw new Lost(); }
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : response.json();
}

async function problemOf(response) {
  let details = {};
  try { details = await response.json(); } catch (error) { /* not ours: a proxy's page */ }
  return new Problem(details, response.status);
}

/* Sends a message; `heard(name, data)` gets each event. Returns the whole reply. */
export async function ask(message, heard) {
  const stop = new AbortController();
  let timer = 0;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), IDLE);
  };
  alive();
  try {
    const response = await fetch("v1/chat", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
      body: JSON.stringify(message),
      credentials: "same-origin",
      cache: "no-store",
      signal: stop.signal,
    });
    if (!response.ok) throw await problemOf(response);
    return await listen(response, heard, alive);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Lost();
  } finally {
    clearTimeout(timer);
  }
}

async function listen(response, heard, alive) {
  const decoder = new TextDecoder();
  let waiting = "";
  let reply = null;
  const take = (text) => {
    waiting += text;
    const whole = waiting.split(/\r?\n\r?\n/);
    waiting = whole.pop();
    whole.forEach((block) => { reply = hear(block, heard) || reply; });
  };
  if (response.body && response.body.getReader) {
    const reader = response.body.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      alive();
      take(decoder.decode(value, { stream: true }));
    }
  } else take(await response.text());
  if (!reply) throw new Lost();
  return reply;
}

function hear(block, heard) {
  let name = "message";
  const data = [];
  block.split(/\r?\n/).forEach((line) => {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  });
  if (!data.length) return null;
  const value = JSON.parse(data.join("\n"));
  if (name === "error") throw new Problem(value, value.status);
  if (name === "done") return value;
  heard(name, value);
  return null;
}

/* A random UUID; also where the page is not in a secure context. */
export function uuid() {
  if (window.crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
