import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { SessionProvider } from "coatcheck-client/react";

import { App } from "./app";
import { client } from "./session";
import "./style.css";

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <SessionProvider client={client}>
      <App />
    </SessionProvider>
  </StrictMode>,
);
