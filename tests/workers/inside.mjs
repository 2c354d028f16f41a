// Runs tests in Pyodide: node inside.mjs '{"tests": [...], …}', with what `platform.mjs` wants.
// Each result is one line of JSON behind "RESULT " on stdout.
import { start } from "./platform.mjs";

const { python, env, stop } = await start(JSON.parse(process.argv[2]));
let status = 1;
try {
  python.globals.set("env", env);
  python.globals.set("order", process.argv[2]);
  status = await python.runPythonAsync(`
from tests.workers.inside import runner
await runner.main(env, order)
`);
} catch (error) {
  console.error(String(error));
} finally {
  await stop();
}
process.exit(status);
