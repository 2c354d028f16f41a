import { SignedIn, SignedOut, useSession, useSessionClient } from "coatcheck-client/react";
import { useState } from "react";

import { Devices } from "./devices";
import { countRequests } from "./session";
import { SignIn } from "./sign-in";

export function App() {
  const { status, session } = useSession();
  return (
    <>
      <header className="top">
        <span className="brand">
          <img src="/ticket.svg" alt="" width="28" height="28" />
          Coatcheck <span>with React</span>
        </span>
        <Visitor />
      </header>
      <Outage />
      <main>
        {status === "loading" && <p className="lead">One moment…</p>}
        {status === "unavailable" && !session && (
          <>
            <h1>We cannot tell yet who you are</h1>
            <p className="lead">This page goes on by itself as soon as the server answers.</p>
          </>
        )}
        <SignedOut>
          <SignIn />
        </SignedOut>
        <SignedIn>
          {(user) => (
            <>
              <h1 tabIndex={-1} ref={takeFocus}>
                Hello, {user.id}
              </h1>
              <p className="lead">
                Open this page in a second tab, and sign out in one of them: the other follows at once, without asking
                the server.
              </p>
              <Note />
              <Devices />
            </>
          )}
        </SignedIn>
      </main>
      <Footer />
    </>
  );
}

/** What replaces the form that had the focus takes it over, for keyboards and screen readers. */
function takeFocus(heading: HTMLElement | null) {
  if (document.activeElement === document.body) heading?.focus();
}

function Visitor() {
  const client = useSessionClient();
  const [trouble, setTrouble] = useState("");
  const leave = () => client.signOut().then(() => setTrouble(""), () => setTrouble("You are still signed in. Try again."));
  return (
    <SignedIn>
      {(user) => (
        <div className="visitor">
          <span role="alert" className="trouble">
            {trouble}
          </span>
          <Initial name={user.id} />
          <button className="quiet" onClick={leave}>
            Sign out
          </button>
        </div>
      )}
    </SignedIn>
  );
}

function Initial({ name }: { name: string }) {
  return (
    <span className="initial" aria-hidden="true">
      {name.slice(0, 1).toUpperCase()}
    </span>
  );
}

/** An outage is no sign-out: what was there stays, with this above it. */
function Outage() {
  const { status, session } = useSession();
  const client = useSessionClient();
  return (
    <div role="status">
      {status === "unavailable" && (
        <div className="outage">
          <p>
            <b>The server does not answer.</b>{" "}
            {session ? `You were signed in as ${session.id}; nothing that you typed is lost.` : "You are not signed out."}{" "}
            Trying again…
          </p>
          <button className="quiet" onClick={() => void client.refresh()}>
            Try now
          </button>
        </div>
      )}
    </div>
  );
}

function Note() {
  return (
    <section className="card">
      <label htmlFor="note">A note to yourself</label>
      <p className="hint" id="note-hint">
        It is kept nowhere but in this page. Stop the server, and see it stay.
      </p>
      <textarea id="note" rows={3} aria-describedby="note-hint" />
    </section>
  );
}

function Footer() {
  const { status } = useSession();
  const words = { loading: "asking", "signed-in": "signed in", "signed-out": "signed out", unavailable: "unavailable" };
  return (
    <footer>
      <span className={`badge ${status}`}>{words[status]}</span>
      <span>
        Many components want to know; the server was asked <b data-testid="requests">{countRequests()}</b>{" "}
        {countRequests() === 1 ? "time" : "times"}.
      </span>
    </footer>
  );
}
