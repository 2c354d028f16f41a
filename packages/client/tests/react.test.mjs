import assert from "node:assert/strict";
import { test } from "node:test";

import { createElement as h } from "react";
import { renderToString } from "react-dom/server";

import { createSessionClient } from "coatcheck-client";
import { SessionProvider, SignedIn, SignedOut, useSession, useSessionClient } from "coatcheck-client/react";

import { ADA } from "./world.mjs";

const refusing = () => assert.fail("a server asks nothing");

function Status() {
  return useSession().status;
}

/** Return what a server renders. */
function rendered(options) {
  const client = createSessionClient({ fetch: refusing, ...options });
  const children = [
    h(Status, { key: 1 }),
    h(SignedIn, { key: 2 }, (session) => ` in: ${session.name}`),
    h(SignedIn, { key: 3 }, " welcome"),
    h(SignedOut, { key: 4 }, " sign in, please"),
  ];
  return renderToString(h(SessionProvider, { client }, children)).replaceAll("<!-- -->", "");
}

test("a server renders what it knows, and asks nothing", () => {
  assert.equal(rendered(), "loading");
  assert.equal(rendered({ initialSession: ADA }), "signed-in in: Ada welcome");
  assert.equal(rendered({ initialSession: null }), "signed-out sign in, please");
});

test("a component outside of a provider is told what it lacks", () => {
  assert.throws(() => renderToString(h(Status)), /need a <SessionProvider/);
  assert.throws(() => renderToString(h(() => useSessionClient() && null)), /need a <SessionProvider/);
});
