/** Where the page begins. */

import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/source-serif-4/wght.css";
import "./styles/base.css";
import "./styles/document.css";
import "./styles/home.css";
import { createRoot } from "react-dom/client";
import { App } from "./app.js";
import { lookAtDrafts } from "./drafts.js";
import { keepApp } from "./offline.js";
import { client, sendLeftovers, unkept } from "./session.js";
import { applyLooks } from "./settings.js";

applyLooks();
createRoot(document.getElementById("app")!).render(<App />);
void lookAtDrafts();
void sendLeftovers();
if (import.meta.env.PROD) keepApp();

// Where unsent edits outlast the page there is no reason to hold anyone back.
addEventListener("beforeunload", (event) => {
  if (unkept.value && client.status !== "online") event.preventDefault();
});
