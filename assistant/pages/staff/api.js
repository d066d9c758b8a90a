/* The desk's API. Every failure is a Problem or Lost. */
export class Lost extends Error {}

export class Problem extends Error {
  constructor(details, status) {
    super(details.code || "unavailable");
    this.code = details.code || "unavailable";
    this.status = status;
    this.title = (details.title || "").split(" / ");
    this.detail = (details.detail || "").split(" / ");
  }
}

export async function call(method, path, body, signal) {
  let response;
  try {
    response = await fetch(`/v1/staff/${path}`, {
      method,
      signal,
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body ? JSON.stringify(body) : undefined,
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Lost();
  }
  if (response.status === 401) {
    location.href = `/login?next=${encodeURIComponent(location.pathname)}`;
    throw new Lost();
  }
  if (!response.ok) {
    let details = {};
    try { details = await response.json(); } catch (error) { /* not ours */ }
    throw new Problem(details, response.status);
  }
  return response.status === 204 ? null : response.json();
}

export const talkPath = (conversation) => `conversations/${encodeURIComponent(conversation)}`;
