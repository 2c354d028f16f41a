"""What runs in Pyodide: `inside.mjs` brings it there."""
