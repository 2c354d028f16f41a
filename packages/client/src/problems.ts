import type { SessionProblem } from "./schema.js";

/**
 * What went wrong, as far as a program has to know.
 *
 * - `signed-out`: nobody is signed in (401).
 * - `recent-auth-required`: somebody is, but proved it too long ago (401): ask for the password, and call again.
 * - `cross-origin`: the server does not trust the origin of this page (403).
 * - `impersonation`: somebody acts in this session as its user, and this is for the user alone (403).
 * - `not-found`: no live session of this user has that id (404).
 * - `issued-elsewhere`: a provider issues the sessions, and only there they are listed and ended (501).
 * - `unavailable`: nobody can tell at the moment: no network, no answer in time, 429 or 5xx. Try again.
 * - `unexpected`: what answered is not the JSON API, or was asked for what it cannot do. Trying again may not help.
 */
export type ProblemKind =
  | "signed-out"
  | "recent-auth-required"
  | "cross-origin"
  | "impersonation"
  | "not-found"
  | "issued-elsewhere"
  | "unavailable"
  | "unexpected";

/** What else is known of an error. */
export interface ProblemFacts {
  status?: number;
  problem?: SessionProblem | null;
  retryAfterMs?: number | null;
  cause?: unknown;
}

/** Why something that was asked for was not done. */
export class SessionError extends Error {
  override readonly name = "SessionError";
  readonly kind: ProblemKind;
  /** The HTTP status; null if there was no answer. */
  readonly status: number | null;
  /** The server's own words (RFC 9457), if it had any. */
  readonly problem: SessionProblem | null;
  /** How many milliseconds the server asks to wait before the next try (RFC 9110 section 10.2.3), if it does. */
  readonly retryAfterMs: number | null;

  constructor(kind: ProblemKind, message: string, facts: ProblemFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.kind = kind;
    this.status = facts.status ?? null;
    this.problem = facts.problem ?? null;
    this.retryAfterMs = facts.retryAfterMs ?? null;
  }
}

const HINTS: Partial<Record<ProblemKind, string>> = {
  "cross-origin": "name the origin of this page in the server's trusted_origins",
  unexpected: "is the JSON API mounted there?",
};

/** Return the error that an answer of the server is. */
export function errorOf(response: Response, text: string): SessionError {
  const problem = problemOf(response, text);
  const kind = kindOf(response.status, problem);
  const words = problem ? (problem.detail ?? problem.title) : `${response.url} answered ${response.status}`;
  const hint = HINTS[kind];
  return new SessionError(kind, hint ? `${words}: ${hint}` : words, {
    status: response.status,
    problem,
    retryAfterMs: retryAfterMs(response.headers.get("retry-after")),
  });
}

function kindOf(status: number, problem: SessionProblem | null): ProblemKind {
  if (status === 401) return problem?.reason === "authentication_too_old" ? "recent-auth-required" : "signed-out";
  if (status === 501 && problem?.reason === "issued_elsewhere") return "issued-elsewhere";
  if (status === 429 || status >= 500) return "unavailable";
  if (problem && status === 403) return problem.reason === "impersonation" ? "impersonation" : "cross-origin";
  return problem && status === 404 ? "not-found" : "unexpected";
}

function problemOf(response: Response, text: string): SessionProblem | null {
  if (!response.headers.get("content-type")?.startsWith("application/problem+json")) return null;
  try {
    const problem: unknown = JSON.parse(text);
    return typeof problem === "object" && problem !== null && "title" in problem ? (problem as SessionProblem) : null;
  } catch {
    return null;
  }
}

/** Return how long a Retry-After header asks to wait: seconds, or a date. */
export function retryAfterMs(header: string | null): number | null {
  if (!header) return null;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now());
}
