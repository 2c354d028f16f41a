import { errorOf, SessionError } from "./problems.js";
import type { Operation } from "./schema.js";

/** Where the JSON API is, and how it is asked. */
export interface Connection {
  /** Without a slash at its end. */
  url: string;
  fetch: typeof fetch;
  timeoutMs: number;
}

/** The body of a successful answer, null if it had none, and what time it was at the server. */
export interface Answer {
  body: unknown;
  nowMs: number;
}

/** What fills the gaps of an operation. */
export interface Details {
  id?: string;
  query?: string;
  signal?: AbortSignal | undefined;
}

/**
 * Ask for an operation.
 *
 * @throws {SessionError} It was not done.
 * @throws The reason of `details.signal`, if that was aborted.
 */
export async function send(connection: Connection, operation: Operation, details: Details = {}): Promise<Answer> {
  const [method, path] = operation.split(" ") as [string, string];
  const place = path.replace("{id}", encodeURIComponent(details.id ?? ""));
  const url = `${connection.url}${place}${details.query ? `?${details.query}` : ""}`;
  const { response, text } = await exchange(connection, url, method, details.signal);
  if (!response.ok) throw errorOf(response, text);
  return { body: text ? parsed(url, response, text) : null, nowMs: serverTime(response) };
}

async function exchange(connection: Connection, url: string, method: string, signal?: AbortSignal) {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), connection.timeoutMs);
  try {
    const response = await connection.fetch(url, {
      method,
      // The server tells a program from a visitor, whom it would send to the sign-in page, by what they accept.
      headers: { accept: "application/json" },
      credentials: "include",
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
    });
    return { response, text: await response.text() };
  } catch (cause) {
    signal?.throwIfAborted();
    // A browser tells no script which of the two it was.
    const unreached = url.startsWith("/") ? "cannot be reached" : "cannot be reached, or CORS does not allow this page";
    const why = late.signal.aborted ? `did not answer within ${connection.timeoutMs} ms` : unreached;
    throw new SessionError("unavailable", `${url} ${why}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

function parsed(url: string, response: Response, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const type = response.headers.get("content-type") ?? "no type";
    const words = `${url} answered with ${type}, not with JSON: is the JSON API mounted there?`;
    throw new SessionError("unexpected", words, { status: response.status, cause });
  }
}

/** The browser's clock may be wrong by minutes; its own is all there is where the header may not be read. */
function serverTime(response: Response): number {
  const date = Date.parse(response.headers.get("date") ?? "");
  return Number.isNaN(date) ? Date.now() : date;
}
