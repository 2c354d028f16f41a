import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { createSessionClient } from "coatcheck-client";

import { ADA, BOB, closeWorld, done, happens, json, openWorld, outage, pass, Server, settled, signedOut } from "./world.mjs";

let server;
let open = [];
beforeEach(openWorld);
beforeEach(() => {
  server = new Server();
});
afterEach(async () => {
  for (const stop of open) stop();
  open = [];
  await settled();
  closeWorld();
});

/** Return a client that somebody listens to: one tab. */
function tab(options = {}) {
  const client = createSessionClient({ fetch: server.fetch, ...options });
  open.push(client.subscribe(() => {}));
  return client;
}

const statusOf = (client) => client.getSnapshot().status;

test("it asks with the cookie when the first one listens, and says who is signed in", async () => {
  const client = createSessionClient({ fetch: server.fetch });
  assert.deepEqual(client.getSnapshot(), { status: "loading", session: null, error: null });
  assert.deepEqual(server.requests, []);
  server.answers(json(ADA));
  let changes = 0;
  open.push(client.subscribe(() => (changes += 1)));
  await settled();
  assert.deepEqual(client.getSnapshot(), { status: "signed-in", session: ADA, error: null });
  assert.equal(changes, 1);
  assert.deepEqual(server.requests, ["GET /api/session"]);
  assert.equal(server.last.credentials, "include");
  assert.equal(server.last.cache, "no-store");
});

test("nobody signed in is a state, not an error", async () => {
  server.answers(signedOut());
  const client = tab();
  await settled();
  assert.deepEqual(client.getSnapshot(), { status: "signed-out", session: null, error: null });
  assert.equal(server.requests.length, 1);
});

test("one request, however many ask", async () => {
  const client = tab();
  for (let one = 0; one < 20; one += 1) open.push(client.subscribe(() => {}));
  const answers = Promise.all([client.refresh(), client.refresh()]);
  server.answer(json(ADA));
  assert.deepEqual((await answers).map((state) => state.session), [ADA, ADA]);
  assert.equal(server.requests.length, 1);
});

test("the same answer again tells nobody, and is the same object", async () => {
  server.answers(json(ADA), json(ADA));
  const client = tab();
  await settled();
  const before = client.getSnapshot();
  open.push(client.subscribe(() => assert.fail("nothing has changed")));
  assert.equal(await client.refresh(), before);
});

test("whoever stops listening and listens again at once, as StrictMode does, makes one request", async () => {
  const client = createSessionClient({ fetch: server.fetch });
  client.subscribe(() => {})();
  open.push(client.subscribe(() => {}));
  await settled();
  server.answer(json(ADA));
  await settled();
  assert.equal(statusOf(client), "signed-in");
  assert.equal(server.requests.length, 1);
});

test("the last one to stop listening ends the request, the timers and the listening to other tabs", async () => {
  const client = createSessionClient({ fetch: server.fetch });
  const stop = client.subscribe(() => {});
  stop();
  stop();
  await settled();
  assert.equal(server.last.signal.aborted, true);
  assert.equal(statusOf(client), "loading");
  happens("online");
  await pass(3_600_000);
  assert.equal(server.requests.length, 1);
  server.answers(json(ADA)); // and whoever listens later starts it anew
  open.push(client.subscribe(() => {}));
  await settled();
  assert.equal(statusOf(client), "signed-in");
});

for (const [name, answer] of Object.entries({
  "a 503": () => outage(),
  "no network": () => new TypeError("fetch failed"),
  "a proxy's 502": () => new Response("<h1>Bad gateway</h1>", { status: 502, headers: { "content-type": "text/html" } }),
  "a page in place of the API": () => new Response("<!doctype html>", { headers: { "content-type": "text/html" } }),
  "JSON of something else": () => json({ hello: "world" }),
  "a 404": () => new Response('{"detail":"Not Found"}', { status: 404, headers: { "content-type": "application/json" } }),
})) {
  test(`N3 ${name} is never a sign-out: the last known session stays`, async () => {
    server.answers(answer(), json(ADA), answer(), signedOut(), signedOut(), answer());
    const client = tab();
    await settled();
    assert.equal(statusOf(client), "unavailable");
    assert.equal(client.getSnapshot().session, null);
    await client.refresh();
    const state = await client.refresh();
    assert.deepEqual([state.status, state.session], ["unavailable", ADA]);
    assert.ok(["unavailable", "unexpected"].includes(state.error.kind));
    await client.refresh();
    assert.equal(statusOf(client), "signed-out");
    await client.refresh();
    assert.deepEqual([statusOf(client), client.getSnapshot().session], ["unavailable", null]);
  });
}

test("a server that does not answer in time is unavailable", async () => {
  const client = tab({ timeoutMs: 3_000 });
  await pass(2_999);
  assert.equal(statusOf(client), "loading");
  await pass(1);
  assert.equal(statusOf(client), "unavailable");
  assert.match(client.getSnapshot().error.message, /did not answer within 3000 ms/);
});

test("it tries again by itself, ever more slowly, until there is an answer", async () => {
  const failures = Array.from({ length: 7 }, () => new TypeError("fetch failed"));
  server.answers(...failures, json(ADA));
  const client = tab();
  await settled();
  for (const [tries, wait] of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].entries()) {
    await pass(wait - 1);
    assert.equal(server.requests.length, tries + 1);
    await pass(1);
    assert.equal(server.requests.length, tries + 2);
  }
  assert.equal(statusOf(client), "signed-in");
  server.answers(new TypeError("fetch failed"), json(ADA)); // the next outage is another one
  await client.refresh();
  await pass(1_000);
  assert.equal(statusOf(client), "signed-in");
});

test("an outage that goes on tells nobody again, unless it has other words", async () => {
  server.answers(new TypeError("fetch failed"), new TypeError("fetch failed"));
  const client = tab();
  await settled();
  let changes = 0;
  open.push(client.subscribe(() => (changes += 1)));
  await client.refresh();
  assert.equal(changes, 0);
  void client.refresh();
  await pass(10_000);
  assert.equal(changes, 1);
});

for (const header of ["20", "Fri, 15 Jan 2027 08:00:20 GMT"]) {
  test(`it waits as long as the server asks: Retry-After: ${header}`, async () => {
    assert.equal(new Date().toUTCString(), "Fri, 15 Jan 2027 08:00:00 GMT");
    server.answers(outage({ "retry-after": header }), json(ADA));
    tab();
    await settled();
    await pass(19_999);
    happens("focus");
    happens("online");
    await settled();
    assert.equal(server.requests.length, 1);
    await pass(1);
    happens("online");
    await settled();
    assert.equal(server.requests.length, 2);
  });
}

test("a look at the page asks again, but not at every look", async () => {
  server.answers(json(ADA), json(BOB));
  const client = tab({ throttleMs: 5_000 });
  await settled();
  happens("focus");
  await pass(4_999);
  happens("focus");
  assert.equal(server.requests.length, 1);
  await pass(1);
  document.visibilityState = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(server.requests.length, 1);
  document.visibilityState = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  happens("focus");
  await settled();
  assert.equal(server.requests.length, 2);
  assert.equal(client.getSnapshot().session.name, "Bob");
});

test("the network's return and a page out of the past ask at once", async () => {
  server.answers(json(ADA), json(ADA), json(ADA));
  tab();
  await settled();
  happens("online");
  await settled();
  happens("pageshow", { persisted: false });
  assert.equal(server.requests.length, 2);
  happens("pageshow", { persisted: true });
  assert.equal(server.requests.length, 3);
});

test("a session's end is asked for when it is over by the server's clock, and not before", async () => {
  const exp = 1_800_000_100 + 600; // the server's clock is 100 seconds ahead of ours
  const headers = { date: new Date(1_800_000_100_000).toUTCString() };
  server.answers(json({ ...ADA, exp }, { headers }), signedOut(), signedOut());
  const client = tab();
  await settled();
  await pass(600_000);
  assert.equal(server.requests.length, 1);
  await pass(2_000);
  assert.equal(statusOf(client), "signed-out");
});

test("a 401 is asked for twice when somebody was signed in: a rotation may have changed the cookie meanwhile", async () => {
  server.answers(json(ADA), signedOut(), json(ADA));
  const client = tab();
  await settled();
  await client.refresh();
  assert.equal(statusOf(client), "signed-in");
  assert.equal(server.requests.length, 3);
});

test("signing out is told to the other tabs, which need not ask", async () => {
  server.answers(json(ADA), json(ADA), done());
  const [here, there] = [tab(), tab()];
  await settled();
  await here.signOut();
  assert.deepEqual([statusOf(here), statusOf(there)], ["signed-out", "signed-out"]);
  assert.deepEqual(server.requests.slice(2), ["POST /api/sign-out"]);
});

test("a sign-out that failed is not shown as one", async () => {
  server.answers(json(ADA), json(ADA), outage());
  const [here, there] = [tab(), tab()];
  await settled();
  await assert.rejects(here.signOut(), { name: "SessionError", kind: "unavailable", status: 503 });
  assert.deepEqual([statusOf(here), statusOf(there)], ["signed-in", "signed-in"]);
});

test("an answer that left before the sign-out does not bring the session back", async () => {
  server.answers(json(ADA));
  const client = tab();
  await settled();
  const asked = client.refresh();
  const out = client.signOut();
  server.answer(done(), 1);
  await out;
  server.answer(json(ADA));
  assert.equal((await asked).status, "signed-out");
  await settled();
  assert.equal(statusOf(client), "signed-out");
});

test("signing in asks anew, whatever is under way, and the other tabs ask too", async () => {
  server.answers(signedOut(), signedOut());
  const [here, there] = [tab(), tab()];
  await settled();
  const stale = here.refresh(); // left with no cookie
  server.answers(json(ADA), json(ADA));
  assert.equal((await here.signedIn()).session.name, "Ada");
  assert.equal((await stale).session.name, "Ada");
  await settled();
  assert.equal(there.getSnapshot().session.name, "Ada");
  assert.equal(server.requests.length, 5);
});

test("what one tab finds out by itself the others look at too; who knows it already does not ask", async () => {
  server.answers(json(ADA), json(ADA), json(ADA));
  const [here, there, third] = [tab(), tab(), tab()];
  await settled();
  assert.equal(server.requests.length, 3);
  server.answers(json(BOB), json(BOB), json(BOB));
  await here.refresh();
  await settled();
  assert.deepEqual([there, third].map((one) => one.getSnapshot().session.name), ["Bob", "Bob"]);
  assert.equal(server.requests.length, 6);
});

test("a tab whose request is under way asks again only if it finds another session than it was told of", async () => {
  const [here, there] = [tab(), tab()];
  server.answer(json(ADA));
  await settled();
  server.answer(json(ADA)); // of the request that was under way when it was told
  await settled();
  assert.equal(server.requests.length, 2);

  const late = there.refresh(); // it leaves with the cookie of Ada
  server.answers(json(BOB));
  await here.signedIn();
  server.answers(json(BOB));
  server.answer(json(ADA));
  assert.equal((await late).session.name, "Bob");
  assert.equal(here.getSnapshot().session.name, "Bob");
  assert.equal(server.requests.length, 5);
});

test("a sign-out in another tab does not undo a sign-in that came after it", async () => {
  server.answers(json(ADA), json(ADA));
  const [here, there] = [tab(), tab()];
  await settled();
  const signedIn = there.signedIn();
  server.answers(done(), json(BOB), json(BOB));
  await here.signOut();
  assert.equal((await signedIn).session.name, "Bob");
  await settled();
  assert.equal(here.getSnapshot().session.name, "Bob");
});

test("tabs of another server are not told", async () => {
  server.answers(json(ADA), json(ADA), done());
  const [here, other] = [tab(), tab({ url: "https://api.example.com/auth/" })];
  await settled();
  await here.signOut();
  assert.equal(statusOf(other), "signed-in");
  assert.equal(server.requests[1], "GET https://api.example.com/auth/session");
});

test("identity: me asks for all that is known of the user", async () => {
  server.answers(json({ ...ADA, labels: ["gold"] }));
  const client = tab({ identity: "me" });
  await settled();
  assert.deepEqual(client.getSnapshot().session.labels, ["gold"]);
  assert.deepEqual(server.requests, ["GET /api/me"]);
});

test("a session that the page came with needs no request", async () => {
  for (const [initialSession, status] of [[ADA, "signed-in"], [null, "signed-out"]]) {
    const client = tab({ initialSession });
    assert.equal(statusOf(client), status);
    assert.equal(client.getServerSnapshot(), client.getSnapshot());
  }
  await settled();
  assert.deepEqual(server.requests, []);
});

test("its end is asked for like that of any other", async () => {
  server.answers(signedOut(), signedOut());
  const client = tab({ initialSession: { ...ADA, exp: 1_800_000_060 } });
  await pass(62_000);
  assert.equal(statusOf(client), "signed-out");
});

test("options that are not possible are named, with the fix", () => {
  for (const [options, words] of [
    [{ url: "api" }, /url: "api" is not possible: use a path from the root/],
    [{ url: "//evil.example" }, /url: .* is not possible/],
    [{ url: "/api?x=1" }, /url: .* is not possible/],
    [{ timeoutMs: 0 }, /timeoutMs: 0 is not possible/],
    [{ timeoutMs: Number.NaN }, /timeoutMs: null is not possible/],
    [{ throttleMs: -1 }, /throttleMs: -1 is not possible/],
    [{ identity: "user" }, /identity: "user" is not possible: use "session" or "me"/],
  ]) {
    assert.throws(() => createSessionClient(options), { name: "TypeError", message: words });
  }
});
