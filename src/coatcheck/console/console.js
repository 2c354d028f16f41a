// Keeps the list and the numbers up to date while somebody looks. Without it every page works: reload it.
"use strict";

(() => {
  const live = document.getElementById("live");
  const tools = document.querySelector("[data-live-tools]");
  if (!live || !tools) return;

  const PAUSED = "coatcheck-console-paused";
  const RESTS = 20; // times as long as an answer took, for a search in millions of sessions must not keep a store busy
  const count = document.getElementById("count");
  const every = Number(live.dataset.live) * 1000;
  const remembered = sessionStorage.getItem(PAUSED);
  let paused = remembered === null ? matchMedia("(prefers-reduced-motion: reduce)").matches : remembered === "1";
  let timer = 0;
  let took = 0;

  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  const note = document.createElement("span");
  note.className = "hint";
  note.setAttribute("role", "status");
  tools.append(note, button);

  function show() {
    button.textContent = paused ? "Update by itself" : "Pause updates";
  }

  button.addEventListener("click", () => {
    paused = !paused;
    sessionStorage.setItem(PAUSED, paused ? "1" : "0");
    note.textContent = "";
    show();
    plan(0);
  });

  // What somebody is about to choose, reads in a table, or has opened must not move away under their hands.
  function busy() {
    return Boolean(live.querySelector("input:checked, details[open]")) || live.contains(document.activeElement);
  }

  function plan(delay) {
    clearTimeout(timer);
    if (!paused) timer = setTimeout(update, delay);
  }

  async function update() {
    if (!document.hidden && !busy()) {
      const begun = performance.now();
      try {
        // Says that nobody did this, so that it keeps no operator signed in.
        const answer = await fetch(location.href, { headers: { "coatcheck-refresh": "1" }, redirect: "manual", cache: "no-store" });
        if (answer.type === "opaqueredirect") return stop("You are signed out: reload the page.");
        if (!answer.ok) throw new Error(String(answer.status));
        took = performance.now() - begun;
        take(new DOMParser().parseFromString(await answer.text(), "text/html"));
        note.textContent = "";
      } catch {
        note.textContent = "Cannot be updated at the moment: this is what was known before.";
      }
    }
    plan(Math.max(every, RESTS * took));
  }

  function stop(reason) {
    paused = true;
    note.textContent = reason;
    button.remove();
  }

  function take(fresh) {
    const now = fresh.getElementById("live");
    const said = fresh.getElementById("count");
    if (!now || paused || busy()) return;
    live.replaceChildren(...now.childNodes);
    // Only what has changed is read out.
    if (said && said.textContent !== count.textContent) {
      count.textContent = said.textContent;
      count.classList.remove("changed");
      void count.offsetWidth;
      count.classList.add("changed");
    }
  }

  show();
  plan(every);
})();
