// Runs tests in Pyodide, with the bindings that Cloudflare's own runtime (workerd, by way of miniflare) gives a Worker.
//
//   node inside.mjs '{"src": …, "root": …, "site": …, "packages": [...], "tests": [...], "d1": [...], "kv": [...]}'
//
// Each result is one line of JSON behind "RESULT " on stdout.
import { readFileSync, statSync } from "node:fs";

import { loadPyodide } from "pyodide";

const order = JSON.parse(process.argv[2]);

const bindings = async () => {
  if (!order.d1.length && !order.kv.length) return [null, {}];
  const { Miniflare } = await import("miniflare");
  const miniflare = new Miniflare({
    modules: true,
    script: "export default { fetch: () => new Response() }",
    d1Databases: order.d1,
    kvNamespaces: order.kv,
    compatibilityDate: "2026-04-01",
    host: "127.0.0.1",
    port: 0,
    cf: false, // nothing is fetched from anywhere
    telemetry: { enabled: false },
  });
  const env = {};
  for (const name of order.d1) env[name] = await miniflare.getD1Database(name);
  for (const name of order.kv) env[name] = await miniflare.getKVNamespace(name);
  return [miniflare, env];
};

const [[miniflare, env], python] = await Promise.all([bindings(), loadPyodide()]);
let status = 1;
try {
  const mount = (path, there) => {
    if (statSync(there).isFile()) return python.FS.writeFile(path, readFileSync(there));
    python.FS.mkdirTree(path);
    python.mountNodeFS(path, there);
  };
  python.FS.mkdirTree("/coatcheck/site");
  mount("/coatcheck/src", order.src);
  mount("/coatcheck/root/tests", `${order.root}/tests`);
  mount("/coatcheck/root/examples", `${order.root}/examples`);
  for (const name of order.packages) mount(`/coatcheck/site/${name}`, `${order.site}/${name}`);
  python.globals.set("env", env);
  python.globals.set("order", process.argv[2]);
  status = await python.runPythonAsync(`
import sys
sys.dont_write_bytecode = True
sys.path[:0] = ["/coatcheck/src", "/coatcheck/root", "/coatcheck/site"]
from tests.workers.inside import runner
await runner.main(env, order)
`);
} catch (error) {
  console.error(String(error));
} finally {
  await miniflare?.dispose();
}
process.exit(status);
