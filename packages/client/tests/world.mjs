/** A world for the client: a server that answers as ordered, a window, and a clock that only tests move. */

import { mock } from "node:test";

export const ADA = { id: "7", email: null, name: "Ada", role: null, session_id: "s-ada", exp: 4_000_000_000 };
export const BOB = { ...ADA, id: "8", name: "Bob", session_id: "s-bob" };

/** Return an answer of the JSON API. */
export function json(body, { status = 200, headers = {} } = {}) {
  const type = status < 400 ? "application/json" : "application/problem+json";
  return new Response(body === null ? null : JSON.stringify(body), { status, headers: { "content-type": type, ...headers } });
}

export const signedOut = () => json({ title: "Sign-in required", status: 401, reason: "no_token" }, { status: 401 });
export const outage = (headers = {}) => json({ title: "Sessions are unavailable", status: 503 }, { status: 503, headers });
export const done = () => new Response(null, { status: 204 });

/** A server whose answers are ordered in advance; without an order a request hangs until it is aborted. */
export class Server {
  requests = [];
  #answers = [];
  #hanging = [];

  fetch = (url, options) => {
    this.requests.push(`${options.method} ${url}`);
    this.last = options;
    const { promise, resolve, reject } = withResolvers();
    options.signal.addEventListener("abort", () => reject(options.signal.reason));
    if (options.signal.aborted) reject(options.signal.reason);
    else if (this.#answers.length) settle(this.#answers.shift(), resolve, reject);
    else this.#hanging.push({ resolve, reject });
    return promise;
  };

  /** Answer the next requests, in their order; an error is no answer at all. */
  answers(...answers) {
    this.#answers.push(...answers);
    return this;
  }

  /** Answer the request that has hung the longest, or one that came after. */
  answer(answer, place = 0) {
    const [{ resolve, reject }] = this.#hanging.splice(place, 1);
    settle(answer, resolve, reject);
  }
}

function settle(answer, resolve, reject) {
  if (answer instanceof Error) reject(answer);
  else resolve(answer);
}

/** What Promise.withResolvers does, from Node 22 on. */
function withResolvers() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

/** Let everything happen that waits for nothing but its turn. */
export async function settled() {
  for (let turn = 0; turn < 50; turn += 1) await null;
  await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 50; turn += 1) await null;
}

/** Move the clock, and let happen what was waiting for it. */
export async function pass(ms) {
  mock.timers.tick(ms);
  await settled();
}

/** Put a window in place and stop the clock; everything is as before after `close`. */
export function openWorld() {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 });
  mock.method(Math, "random", () => 1);
  globalThis.window = new EventTarget();
  globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  globalThis.BroadcastChannel = Channel;
}

const real = globalThis.BroadcastChannel;

export function closeWorld() {
  mock.reset();
  mock.timers.reset();
  delete globalThis.window;
  delete globalThis.document;
  globalThis.BroadcastChannel = real;
  if (Channel.all.size) throw new Error(`${Channel.all.size} channels are still open`);
}

/** Tell the window that something has happened. */
export function happens(name, facts = {}) {
  window.dispatchEvent(Object.assign(new Event(name), facts));
}

/** What BroadcastChannel does, at once: Node's own takes its time. */
class Channel extends EventTarget {
  static all = new Set();

  constructor(name) {
    super();
    this.name = name;
    Channel.all.add(this);
  }

  postMessage(data) {
    const others = [...Channel.all].filter((one) => one !== this && one.name === this.name);
    for (const one of others) one.dispatchEvent(Object.assign(new Event("message"), { data: structuredClone(data) }));
  }

  close() {
    Channel.all.delete(this);
  }
}
