/**
 * What tabs tell each other: the public id of the session that one has just found, null for none; or that it has
 * signed out, which needs no asking.
 */
export type News = { found: string | null } | "signed-out";

/** The other tabs of this site, in this browser. Where there is no BroadcastChannel there are none. */
export class Tabs {
  readonly #name: string;
  #channel: BroadcastChannel | null = null;

  constructor(url: string) {
    this.#name = `coatcheck ${url}`;
  }

  /** Hear what others tell, until `close`. */
  open(hear: (news: News) => void): void {
    this.#channel = channel(this.#name);
    this.#channel?.addEventListener("message", (event: MessageEvent<News>) => hear(event.data));
  }

  close(): void {
    this.#channel?.close();
    this.#channel = null;
  }

  /** Tell the others, also when nothing is heard here. */
  tell(news: News): void {
    if (this.#channel) {
      this.#channel.postMessage(news);
      return;
    }
    const once = channel(this.#name);
    once?.postMessage(news);
    once?.close();
  }
}

function channel(name: string): BroadcastChannel | null {
  return typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(name);
}
