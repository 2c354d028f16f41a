import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { createSessionClient, SessionError } from "coatcheck-client";

import { ADA, closeWorld, done, json, openWorld, outage, Server, settled, signedOut } from "./world.mjs";

let server;
let client;
let stop;
beforeEach(async () => {
  openWorld();
  server = new Server().answers(json(ADA));
  client = createSessionClient({ fetch: server.fetch });
  stop = client.subscribe(() => {});
  await settled();
});
afterEach(async () => {
  stop();
  await settled();
  closeWorld();
});

const problem = (status, members) => json({ type: "about:blank", status, ...members }, { status });
const TOO_OLD = { title: "Recent authentication required", reason: "authentication_too_old", max_age: 900 };

test("the devices are listed", async () => {
  server.answers(json({ sessions: [{ id: "a", current: true }] }), json({ sessions: [] }));
  assert.deepEqual(await client.devices.list(), [{ id: "a", current: true }]);
  assert.deepEqual(await client.devices.list({ limit: 5 }), []);
  assert.deepEqual(server.requests.slice(1), ["GET /api/sessions", "GET /api/sessions?limit=5"]);
});

test("another device is signed out, and this one stays", async () => {
  server.answers(done());
  await client.devices.revoke("x/y");
  assert.equal(server.requests.at(-1), "DELETE /api/sessions/x%2Fy");
  assert.equal(client.getSnapshot().status, "signed-in");
});

test("this device signed out by its id is signed out", async () => {
  server.answers(done());
  await client.devices.revoke(ADA.session_id);
  assert.equal(client.getSnapshot().status, "signed-out");
});

test("all others, and all", async () => {
  server.answers(json({ ended: 2 }), json({ ended: 1 }));
  assert.equal(await client.devices.revokeOthers(), 2);
  assert.equal(client.getSnapshot().status, "signed-in");
  assert.equal(await client.devices.revokeAll(), 1);
  assert.equal(client.getSnapshot().status, "signed-out");
  assert.deepEqual(server.requests.slice(1), ["POST /api/sessions/revoke-others", "POST /api/sessions/revoke-all"]);
});

test("L14 who signed in too long ago is still signed in, and told what to do", async () => {
  server.answers(problem(401, TOO_OLD));
  await assert.rejects(client.devices.revokeOthers(), (error) => {
    assert.ok(error instanceof SessionError);
    assert.equal(error.kind, "recent-auth-required");
    assert.equal(error.problem.max_age, 900);
    return true;
  });
  await settled();
  assert.equal(client.getSnapshot().status, "signed-in");
  assert.equal(server.requests.length, 2);
});

test("a call that finds nobody signed in has the session asked for", async () => {
  server.answers(signedOut(), signedOut(), signedOut());
  await assert.rejects(client.devices.list(), { kind: "signed-out", status: 401 });
  await settled();
  assert.equal(client.getSnapshot().status, "signed-out");
});

for (const [name, answer, kind, words] of [
  ["X1 another site", problem(403, { title: "Cross-origin request refused", reason: "cross-site" }), "cross-origin", /trusted_origins/],
  ["a session of nobody's", problem(404, { title: "No such session", detail: "id: you have none" }), "not-found", /^id: you have none$/],
  ["a provider", problem(501, { title: "Not possible", reason: "issued_elsewhere" }), "issued-elsewhere", /Not possible/],
  ["an outage", outage({ "retry-after": "2" }), "unavailable", /unavailable/],
  ["no network", new TypeError("fetch failed"), "unavailable", /cannot be reached/],
  ["a firewall's page", new Response("no", { status: 403 }), "unexpected", /is the JSON API mounted there/],
  ["a bad limit", problem(422, { title: "Invalid request", detail: "limit: too much" }), "unexpected", /limit: too much/],
]) {
  test(`an error says its kind: ${name}`, async () => {
    server.answers(answer);
    await assert.rejects(client.devices.list(), { name: "SessionError", kind, message: words });
    assert.equal(client.getSnapshot().status, "signed-in");
  });
}

test("an API at another origin may be hidden by CORS, and the error says so", async () => {
  server.answers(new TypeError("Failed to fetch"));
  const other = createSessionClient({ url: "https://api.example.com", fetch: server.fetch });
  await assert.rejects(other.devices.list(), { kind: "unavailable", message: /or CORS does not allow this page/ });
});

test("a call can be ended by whoever made it", async () => {
  const stopping = new AbortController();
  const listed = client.devices.list({ signal: stopping.signal });
  stopping.abort();
  await assert.rejects(listed, { name: "AbortError" });
});
