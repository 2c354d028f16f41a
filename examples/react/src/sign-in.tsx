import { useSessionClient } from "coatcheck-client/react";
import { type FormEvent, useState } from "react";

import { Field } from "./field";
import { send } from "./session";

export function SignIn() {
  const client = useSessionClient();
  const [trouble, setTrouble] = useState<string | null>(null);

  async function enter(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const refused = await send("/api/sign-in", Object.fromEntries(new FormData(event.currentTarget)));
    setTrouble(refused);
    if (!refused) await client.signedIn(); // here, and in every other tab
  }

  return (
    <div className="narrow">
      <h1>Sign in</h1>
      <form className="card" onSubmit={enter}>
        <Field name="name" label="Name" autoComplete="username" hint="Any name will do." />
        <Field
          name="password"
          label="Password"
          type="password"
          autoComplete="current-password"
          hint={
            <>
              It is <code>coatcheck</code> for everybody.
            </>
          }
          error={trouble}
        />
        <button>Sign in</button>
      </form>
    </div>
  );
}
