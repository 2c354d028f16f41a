// What `inside.mjs` and `serve.mjs` share: Pyodide with our code in it, and the bindings that Cloudflare's own runtime
// (workerd, by way of miniflare) gives a Worker.
import { readFileSync, statSync } from "node:fs";
import threads from "node:worker_threads";

import { Miniflare, Response as WorkerResponse } from "miniflare";
import { loadPyodide } from "pyodide";

import { betterAuthOn } from "./better_auth.mjs";

// A Worker beside the tests, which runs a whole batch: miniflare's proxies ask workerd for each `prepare` and `bind`,
// which takes longer than all the rest. Whatever else it is asked it asks the Worker AUTH, by its service binding.
const script = `
  export default {
    async fetch(request, env) {
      const { hostname, pathname } = new URL(request.url);
      if (hostname !== "worker") return env.AUTH.fetch(request);
      const database = env[pathname.slice(1)];
      const value = (each) => (each && each.bytes ? new Uint8Array(each.bytes) : each);
      const statement = ({ sql, values }) => {
        const prepared = database.prepare(sql);
        return values ? prepared.bind(...values.map(value)) : prepared;
      };
      try {
        return Response.json({ results: await database.batch((await request.json()).map(statement)) });
      } catch (error) {
        return Response.json({ error: String(error) });
      }
    },
  };
`;

// Miniflare stops this thread while another one asks workerd. That one says first that it has an answer and then wakes
// this one, which may have gone on to the next question in between, and would be woken without an answer to it.
const received = threads.receiveMessageOnPort;
const moment = new Int32Array(new SharedArrayBuffer(4));
threads.receiveMessageOnPort = (port) => {
  for (let looks = 0; looks < 10_000; looks += 1) {
    const message = received(port);
    if (message) return message;
    Atomics.wait(moment, 0, 0, 1);
  }
  return undefined;
};

const plain = (value) => (value instanceof Uint8Array ? { bytes: [...value] } : value);

/** A D1 binding, with one request for each batch. */
const batched = (miniflare, name) => {
  const batch = async (statements) => {
    const body = JSON.stringify([...statements]);
    const response = await miniflare.dispatchFetch(`http://worker/${name}`, { method: "POST", body });
    const { results, error } = await response.json();
    if (error) throw new Error(error.replace(/^Error: /, ""));
    return results;
  };
  const prepare = (sql, values) => ({
    sql,
    values,
    bind: (...given) => prepare(sql, given.map(plain)),
    first: async () => (await batch([{ sql, values }]))[0].results[0] ?? null,
  });
  return { prepare: (sql) => prepare(sql), batch, withSession() {} };
};

/** Start everything; returns Pyodide, the bindings, and what stops workerd. */
export async function start({ root, src, site, packages, wheels }) {
  const auth = betterAuthOn(() => miniflare.getD1Database("AUTH_DB"));
  const miniflare = new Miniflare({
    modules: true,
    script,
    d1Databases: ["DB", "OTHER", "AUTH_DB"],
    kvNamespaces: ["SESSIONS"],
    r2Buckets: ["BUCKET"],
    serviceBindings: {
      async AUTH(request) {
        const { status, headers, body } = await auth.handle(request);
        return new WorkerResponse(body, { status, headers: [...headers] });
      },
    },
    compatibilityDate: "2026-04-01",
    host: "127.0.0.1",
    port: 0,
    cf: false, // nothing is fetched from anywhere
    telemetry: { enabled: false },
  });
  const bindings = async () => ({
    DB: batched(miniflare, "DB"),
    AUTH_DB: batched(miniflare, "AUTH_DB"),
    AUTH: { fetch: (url, options) => miniflare.dispatchFetch(url, options) },
    authQueries: auth.queries,
    OTHER: await miniflare.getD1Database("OTHER"),
    SESSIONS: await miniflare.getKVNamespace("SESSIONS"),
    BUCKET: await miniflare.getR2Bucket("BUCKET"),
  });
  const [env, python] = await Promise.all([bindings(), loadPyodide()]);
  const mount = (path, there) => {
    if (statSync(there).isFile()) return python.FS.writeFile(path, readFileSync(there));
    python.FS.mkdirTree(path);
    python.mountNodeFS(path, there);
  };
  python.FS.mkdirTree("/coatcheck/site");
  mount("/coatcheck/src", src);
  mount("/coatcheck/root/tests", `${root}/tests`);
  mount("/coatcheck/root/examples", `${root}/examples`);
  for (const name of packages) mount(`/coatcheck/site/${name}`, `${site}/${name}`);
  if (wheels) mount("/coatcheck/wheels", wheels);
  await python.runPythonAsync(`
import sys
sys.dont_write_bytecode = True
sys.path[:0] = ["/coatcheck/src", "/coatcheck/root", "/coatcheck/site", "/coatcheck/wheels"]
`);
  return { python, env, stop: () => miniflare.dispose() };
}
