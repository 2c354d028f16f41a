import { type Accounts, accountsOf } from "./accounts.js";
import type { SessionClient } from "./contract.js";
import { devicesOf, type Devices } from "./devices.js";
import { onOccasion, type Occasion } from "./occasions.js";
import { connectionOf, type ClientOptions } from "./options.js";
import { SessionError } from "./problems.js";
import { type Answer, type Connection, type Details, send } from "./requests.js";
import type { Me, Operation, SignedInUser } from "./schema.js";
import { identity, known, LOADING, same, SIGNED_OUT, type SessionState } from "./state.js";
import { type News, Tabs } from "./tabs.js";

interface Flight<User extends SignedInUser> {
  readonly controller: AbortController;
  result: Promise<SessionState<User>>;
  /** Whose session another tab has found meanwhile. */
  heard?: string | null;
}

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
/** After the end of a session: its last second has to be over, and nobody is in a hurry. */
const AFTER_THE_END_MS = 2_000;
/** What setTimeout can wait. */
const LONGEST_MS = 2 ** 31 - 1;

/** Make a client. One for each page: on a server one for each request, if it is given an `initialSession`. */
export function createSessionClient(options: ClientOptions<Me> & { identity: "me" }): SessionClient<Me>;
export function createSessionClient(options?: ClientOptions<SignedInUser>): SessionClient<SignedInUser>;
export function createSessionClient<User extends SignedInUser>(options: ClientOptions<User> = {}): SessionClient<User> {
  return new Client(options);
}

class Client<User extends SignedInUser> implements SessionClient<User> {
  readonly accounts: Accounts;
  readonly devices: Devices;
  readonly #connection: Connection;
  readonly #whoIs: Operation;
  readonly #throttleMs: number;
  readonly #initial: SessionState<User>;
  readonly #tabs: Tabs;
  readonly #listeners = new Set<() => void>();
  #state: SessionState<User>;
  #flight: Flight<User> | null = null;
  #stop: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #askedAt = 0;
  #notBefore = 0;
  /** How far the server's clock is ahead of this one. */
  #skewMs = 0;

  constructor(options: ClientOptions<User>) {
    this.#connection = connectionOf(options);
    this.#whoIs = options.identity === "me" ? "GET /me" : "GET /session";
    this.#throttleMs = options.throttleMs ?? 5_000;
    this.#initial = options.initialSession === undefined ? LOADING : known(options.initialSession);
    this.#state = this.#initial;
    if (this.#state !== LOADING) this.#askedAt = Date.now();
    this.#tabs = new Tabs(this.#connection.url);
    const ended = (id?: string) => {
      if (id === undefined || id === identity(this.#state)) this.#ended();
    };
    this.devices = devicesOf(this.#call, ended);
    this.accounts = accountsOf(this.#call, this.signedIn, ended);
  }

  getSnapshot = (): SessionState<User> => this.#state;

  getServerSnapshot = (): SessionState<User> => this.#initial;

  subscribe = (listener: () => void): (() => void) => {
    const own = () => listener(); // the same function may listen twice
    this.#listeners.add(own);
    this.#stop ??= this.#start();
    return () => {
      this.#listeners.delete(own);
      // Not at once: React's StrictMode takes every listener away and brings it back, and that is one request.
      queueMicrotask(() => this.#listeners.size || this.#halt());
    };
  };

  refresh = (): Promise<SessionState<User>> => this.#flight?.result ?? this.#ask();

  signedIn = (): Promise<SessionState<User>> => this.#ask();

  signOut = async (): Promise<void> => {
    await this.#call("POST /sign-out");
    this.#ended();
  };

  #start(): () => void {
    this.#tabs.open(this.#hear);
    const deaf = onOccasion(this.#notice);
    if (identity(this.#state) === undefined || this.#isDue()) void this.refresh();
    else this.#watchTheEnd();
    return () => {
      deaf();
      this.#tabs.close();
    };
  }

  #halt(): void {
    this.#stop?.();
    this.#stop = null;
    this.#cancel();
  }

  /** Whatever is under way or planned is not wanted any more. */
  #cancel(): void {
    clearTimeout(this.#timer);
    this.#flight?.controller.abort();
    this.#flight = null;
  }

  #notice = (occasion: Occasion): void => {
    if (Date.now() < this.#notBefore) return;
    if (occasion === "restored") void this.#ask();
    else if (occasion === "online" || this.#isDue()) void this.refresh();
  };

  #isDue(): boolean {
    return Date.now() - this.#askedAt >= this.#throttleMs;
  }

  #hear = (news: News): void => {
    if (news === "signed-out") {
      const asking = this.#flight;
      this.#forget();
      if (asking) void this.#ask(); // it may be for a sign-in that came after
    } else if (this.#flight) {
      this.#flight.heard = news.found; // it may find the same; tabs that open together do
    } else if (news.found !== identity(this.#state)) void this.#ask();
  };

  /** Ask anew: what is under way may have left before the cookie changed. */
  #ask(): Promise<SessionState<User>> {
    this.#cancel();
    this.#askedAt = Date.now();
    const flight: Flight<User> = { controller: new AbortController(), result: Promise.resolve(this.#state) };
    this.#flight = flight;
    flight.result = this.#fly(flight);
    return flight.result;
  }

  async #fly(flight: Flight<User>): Promise<SessionState<User>> {
    const { signal } = flight.controller;
    let found: Answer | SessionError | null;
    try {
      found = await this.#look(signal);
      if (this.#isDoubtful(found, flight)) found = await this.#look(signal);
    } catch (error) {
      found = asSessionError(error);
    }
    // Another request has taken its place, or nobody wants to know any more.
    if (this.#flight !== flight) return (this.#flight as Flight<User> | null)?.result ?? this.#state;
    this.#flight = null;
    if (found instanceof SessionError) this.#failed(found);
    else this.#found(found);
    return this.#state;
  }

  /**
   * Tell whether to ask a second time: nobody is signed in, and somebody was; or another tab has found something else.
   *
   * A rotation or a sign-in may have changed the cookie while the first request was under way with the old one. The
   * second has the new one.
   */
  #isDoubtful(answer: Answer | null, { heard }: Flight<User>): boolean {
    const found = idOf(answer);
    return (!found && this.#state.session !== null) || (heard !== undefined && heard !== found);
  }

  /** Return the server's answer, null if nobody is signed in. */
  async #look(signal: AbortSignal): Promise<Answer | null> {
    try {
      const answer = await send(this.#connection, this.#whoIs, { signal });
      if (isSession(answer.body)) return answer;
    } catch (error) {
      if (error instanceof SessionError && error.kind === "signed-out") return null;
      throw error;
    }
    const words = `${this.#connection.url} answered without a session: is the JSON API mounted there?`;
    throw new SessionError("unexpected", words, { status: 200 });
  }

  #found(answer: Answer | null): void {
    const before = identity(this.#state);
    this.#failures = this.#notBefore = 0;
    this.#set(known(answer && (answer.body as User)));
    if (before !== identity(this.#state)) this.#tabs.tell({ found: idOf(answer) });
    if (answer) this.#skewMs = answer.nowMs - Date.now();
    this.#watchTheEnd();
  }

  /** Ask when the session should have ended. Not before: asking is use, and use can make it longer. */
  #watchTheEnd(): void {
    const leftMs = (this.#state.session?.exp ?? 0) * 1000 - Date.now() - this.#skewMs;
    if (leftMs > 0) this.#later(leftMs + AFTER_THE_END_MS);
  }

  #failed(error: SessionError): void {
    this.#failures += 1;
    const most = Math.min(FIRST_RETRY_MS * 2 ** (this.#failures - 1), LAST_RETRY_MS);
    const asked = error.retryAfterMs ?? 0;
    this.#notBefore = Date.now() + asked;
    this.#set({ status: "unavailable", session: this.#state.session, error });
    // Half of it is drawn, so that the pages that an outage has stopped together do not come back together.
    this.#later(asked + most * (0.5 + Math.random() / 2));
  }

  /** Ask again after a time, if anybody listens then. */
  #later(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#listeners.size && ms <= LONGEST_MS) this.#timer = setTimeout(() => void this.refresh(), ms);
  }

  #call = async (operation: Operation, details?: Details): Promise<unknown> => {
    try {
      return (await send(this.#connection, operation, details)).body;
    } catch (error) {
      if (error instanceof SessionError && error.kind === "signed-out") void this.#ask();
      throw error;
    }
  };

  /** This session has ended, by our own doing: what is under way cannot know better. */
  #ended(): void {
    this.#forget();
    this.#tabs.tell("signed-out");
  }

  #forget(): void {
    this.#cancel();
    this.#failures = this.#notBefore = 0;
    this.#askedAt = Date.now();
    this.#set(SIGNED_OUT);
  }

  #set(state: SessionState<User>): void {
    if (same(this.#state, state)) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }
}

function isSession(body: unknown): body is SignedInUser {
  return typeof body === "object" && body !== null && "session_id" in body && "exp" in body;
}

/** Return whose session an answer is: its public id, null for none. */
function idOf(answer: Answer | null): string | null {
  return answer && (answer.body as SignedInUser).session_id;
}

function asSessionError(error: unknown): SessionError {
  return error instanceof SessionError ? error : new SessionError("unexpected", String(error), { cause: error });
}
