import { type DeviceSession, SessionError } from "coatcheck-client";
import { useSession, useSessionClient } from "coatcheck-client/react";
import { useCallback, useEffect, useState } from "react";

import { Confirm } from "./confirm";

type Action = () => Promise<unknown>;

export function Devices() {
  const { devices } = useSessionClient();
  const { status } = useSession();
  const [listed, setListed] = useState<DeviceSession[]>([]);
  const [said, setSaid] = useState("");
  const [waiting, setWaiting] = useState<Action | null>(null); // for the password

  const list = useCallback(
    async (signal?: AbortSignal) => {
      try {
        setListed(await devices.list({ signal }));
      } catch (error) {
        if (!signal?.aborted) setSaid(`The devices cannot be listed: ${wordsOf(error)}`);
      }
    },
    [devices],
  );
  useEffect(() => {
    if (status !== "signed-in") return;
    const gone = new AbortController();
    void list(gone.signal);
    return () => gone.abort();
  }, [list, status]);

  async function run(action: Action) {
    setWaiting(null);
    try {
      await action();
      setSaid("Done.");
      await list();
    } catch (error) {
      if (error instanceof SessionError && error.kind === "recent-auth-required") setWaiting(() => action);
      else setSaid(`Nothing was ended: ${wordsOf(error)}`);
    }
  }

  return (
    <section aria-labelledby="devices">
      <h2 id="devices">Your devices</h2>
      <p role="status" className="hint">
        {said}
      </p>
      <ul className="devices">
        {listed.map((one) => (
          <Device key={one.id} device={one} end={() => run(() => devices.revoke(one.id))} />
        ))}
      </ul>
      <div className="actions">
        <button className="quiet" disabled={listed.length < 2} onClick={() => run(() => devices.revokeOthers())}>
          Sign out all others
        </button>
        <button className="danger" onClick={() => run(() => devices.revokeAll())}>
          Sign out everywhere
        </button>
      </div>
      {waiting && <Confirm confirmed={() => run(waiting)} cancel={() => setWaiting(null)} />}
    </section>
  );
}

function Device({ device, end }: { device: DeviceSession; end: () => void }) {
  const seen = new Date(device.last_seen_at).toLocaleString();
  return (
    <li className="card device">
      <div>
        <h3>
          {device.device} {device.current && <span className="badge signed-in">This device</span>}
        </h3>
        <p className="hint">
          {device.ip ?? "address unknown"}, last seen <time dateTime={device.last_seen_at}>{seen}</time>
        </p>
      </div>
      <button className="quiet" onClick={end}>
        Sign out<span className="hidden"> {device.device}, last seen {seen}</span>
      </button>
    </li>
  );
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
