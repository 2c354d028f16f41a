/** Why it is time to look again: somebody looks at the page, the network is back, the page is one of the past. */
export type Occasion = "focus" | "online" | "restored";

/** Hear of occasions until the function that is returned is called; on a server there are none. */
export function onOccasion(hear: (occasion: Occasion) => void): () => void {
  if (typeof window === "undefined") return () => {};
  const stop = new AbortController();
  const { signal } = stop;
  window.addEventListener("focus", () => hear("focus"), { signal });
  window.addEventListener("online", () => hear("online"), { signal });
  // Out of the back/forward cache: whoever was signed in when the page was left may be so no more.
  window.addEventListener("pageshow", (event) => event.persisted && hear("restored"), { signal });
  const seen = () => document.visibilityState === "visible" && hear("focus");
  document.addEventListener("visibilitychange", seen, { signal });
  return () => stop.abort();
}
