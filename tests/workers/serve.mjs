// Serves a Worker written in Python over HTTP: node serve.mjs '{"worker": "examples.worker.src.entry", …}', with what
// `platform.mjs` wants. Says "READY <port>" and goes on until stdin ends.
//
// Python runs in Pyodide here, in Node: in workerd it would need a bundle of Cloudflare's from the network.
import { createServer } from "node:http";

import { start } from "./platform.mjs";

const order = JSON.parse(process.argv[2]);
const { python, env, stop } = await start(order);

Object.assign(env, order.variables);
python.globals.set("env", env);
python.globals.set("name", order.worker);
python.globals.set("migration", order.migration);
const serve = await python.runPythonAsync(`
from tests.workers.inside import serving
await serving.entry(name, env, migration)
`);

const server = createServer(async (incoming, outgoing) => {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method, rawHeaders } = incoming;
  const headers = new Headers();
  for (let at = 0; at < rawHeaders.length; at += 2) headers.append(rawHeaders[at], rawHeaders[at + 1]);
  headers.set("cf-connecting-ip", incoming.socket.remoteAddress);
  const body = ["GET", "HEAD"].includes(method) ? undefined : Buffer.concat(chunks);
  const request = new Request(`http://${incoming.headers.host}${incoming.url}`, { method, headers, body });
  const pending = [];
  const response = await serve(request, { waitUntil: (promise) => pending.push(promise) });
  outgoing.writeHead(response.status, [...response.headers].flat());
  outgoing.end(Buffer.from(await response.arrayBuffer()));
  await Promise.allSettled(pending);
});
server.listen(0, "127.0.0.1", () => console.log(`READY ${server.address().port}`));
process.stdin.resume().on("end", async () => {
  server.closeAllConnections();
  server.close();
  await stop();
  process.exit(0);
});
