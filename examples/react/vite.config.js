// While you work on the pages, `npm run dev` serves them, and brings what they ask for to the application.
export default {
  server: { proxy: { "/api": "http://127.0.0.1:8000" } },
};
