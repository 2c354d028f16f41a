import { createSessionClient } from "coatcheck-client";

let requests = 0;

/** How often the server was asked who is signed in, to be shown. */
export const countRequests = () => requests;

// One client for the page, made outside of components.
export const client = createSessionClient({
  url: "/api",
  timeoutMs: 5_000,
  fetch: (input, init) => {
    if (String(input).endsWith("/session")) requests += 1;
    return fetch(input, init);
  },
});

/** Send JSON to a route of this application's own; returns why it was refused, null if it was not. */
export async function send(path: string, body: object): Promise<string | null> {
  try {
    const headers = { "content-type": "application/json" };
    const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    if (response.ok) return null;
    const answer = await response.json();
    return answer.detail ?? answer.title;
  } catch {
    return "The server cannot be reached. Nothing has happened; try again.";
  }
}
