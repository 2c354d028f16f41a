// A shop that knows nothing of sessions: who is signed in stands in a header that the gate has written.
// Its sign-in page asks for a name and believes it; yours asks for more.
import { createServer } from "node:http";

const GATE = process.env.GATE ?? "http://127.0.0.1:8100";
const KEY = process.env.COATCHECK_SERVE_SERVICE_KEYS;

async function internal(path, body) {
  const answer = await fetch(`${GATE}/internal${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`the gate says ${answer.status}`);
  return answer.json();
}

// A path of this site: neither "//elsewhere" nor anything that a browser reads as that.
const safe = (target) => (/^\/(?![/\\])[\x21-\x7e]*$/.test(target ?? "") ? target : "/");

async function read(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return new URLSearchParams(text);
}

async function signIn(request, response, next) {
  if (request.method !== "POST") {
    response.setHeader("content-type", "text/html");
    return response.end('<form method="post"><input name="name" autofocus><button>Sign in</button></form>');
  }
  const user_id = (await read(request)).get("name");
  const { set_cookies } = await internal("/sessions", { user_id, user_agent: request.headers["user-agent"] });
  response.writeHead(303, { "set-cookie": set_cookies, location: safe(next) });
  return response.end();
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://shop");
  try {
    if (url.pathname === "/login") return await signIn(request, response, url.searchParams.get("next"));
    const user = decodeURIComponent(request.headers["x-coatcheck-user"] ?? "");
    if (url.pathname === "/everywhere" && request.method === "POST") {
      if (request.headers["x-coatcheck-actor"]) return response.writeHead(403).end(); // somebody acts as the user
      await internal("/revoke", { user_id: user });
    }
    response.setHeader("content-type", "application/json");
    return response.end(JSON.stringify({ user, path: url.pathname }));
  } catch (error) {
    console.error(error.message);
    return response.writeHead(503).end();
  }
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1");
