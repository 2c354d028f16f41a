import { useSession } from "coatcheck-client/react";
import { type FormEvent, useEffect, useRef, useState } from "react";

import { Field } from "./field";
import { send } from "./session";

/** Asks for the password again, before something that ends sessions. */
export function Confirm({ confirmed, cancel }: { confirmed: () => void; cancel: () => void }) {
  const { session } = useSession();
  const dialog = useRef<HTMLDialogElement>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  }, []);

  async function confirm(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const refused = await send("/api/confirm", Object.fromEntries(new FormData(event.currentTarget)));
    if (refused) setTrouble(refused);
    else confirmed();
  }

  return (
    <dialog ref={dialog} aria-labelledby="confirm" onClose={cancel}>
      <form onSubmit={confirm}>
        <h2 id="confirm">Confirm that it is you</h2>
        <p className="hint">You gave your password a while ago. Give it again, and it is done.</p>
        <input name="name" value={session?.id ?? ""} autoComplete="username" readOnly hidden />
        <Field name="password" label="Password" type="password" autoComplete="current-password" error={trouble} />
        <div className="actions">
          <button>Confirm</button>
          <button type="button" className="quiet" onClick={cancel}>
            Not now
          </button>
        </div>
      </form>
    </dialog>
  );
}
