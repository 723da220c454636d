/** The one client of the page, and who it connects as. */

import { createClient, type Client, type VariorumError } from "variorum";
import { name, takeToken, token } from "./settings.js";
import { Shared } from "./shared.js";

/** Whether the server asks for a token: `asked` shows the prompt, `put off` leaves a way back to it. */
export const signIn = new Shared<"no" | "asked" | "put off">("no");

/** What last went wrong with the connection or the outbox; undefined while all is well. */
export const trouble = new Shared<VariorumError | undefined>(undefined);

const { indexedDB, navigator } = globalThis;

/** Whether this browser cannot keep unsent edits over a reload: a page without TLS may not, for one. */
export const unkept = new Shared(!indexedDB || !navigator.locks);

/** Whom a token is about, as far as this page can tell: enough to keep what two users of one browser left unsent apart. */
const subjectOf = (token: string | undefined): string => {
  try {
    const [, claims = ""] = (token ?? "").split(".");
    const { sub } = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(claims.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0)))) as { sub?: unknown };
    return typeof sub === "string" ? sub : "";
  } catch {
    return "";
  }
};

takeToken();
// A link followed where its document is open already changes the fragment alone, and loads nothing.
addEventListener("hashchange", () => takeToken() && location.reload());
const account = subjectOf(token.value);

let given: (token: string) => void = () => {};
let asking: Promise<string> | undefined;

/** Asks the user. However often the client asks meanwhile, there is one prompt. */
const ask = (): Promise<string> =>
  (asking ??= new Promise<string>((resolve) => {
    signIn.value = "asked";
    given = resolve;
  }).finally(() => (asking = undefined)));

/** The user gave a token. Another user's page begins anew, with the edits that they left unsent and nobody else's. */
export const signInWith = (text: string): void => {
  token.value = text;
  if (subjectOf(text) !== account) return location.reload();
  signIn.value = "no";
  given(text);
};

export const client: Client = createClient({
  url: "/",
  account,
  name: () => name.value,
  token: ({ reason }) => (reason === "unauthorized" ? ask() : token.value),
});

client.on("error", (error) => {
  trouble.value = error;
  if (error.code === "outbox_unavailable") unkept.value = true;
});
client.on("status", (status) => {
  if (status === "online") trouble.value = undefined;
});
// Others see a new name once the client has said hello with it.
name.watch(() => client.status !== "closed" && client.reconnect());

/**
 * Sends what other tabs of this browser left unsent when they were closed or crashed: each kept it under an id of its own,
 * which a client without a tab's memory takes over one at a time.
 */
export const sendLeftovers = async (): Promise<void> => {
  await sendUnsent(client);
  if (unkept.value) return;
  for (;;) {
    const other = createClient({ url: "/", account, name: () => name.value, token: () => token.value, storage: { indexedDB, locks: navigator.locks } });
    const sent = await sendUnsent(other);
    other.close();
    if (!sent) return;
  }
};

/** Opens the documents whose edits wait in a client's outbox until they are durable. Gives whether there were any, and all were sent. */
const sendUnsent = async (of: Client): Promise<boolean> => {
  const docs = (await of.unsent()).map((id) => of.open(id));
  const sent = await Promise.allSettled(
    docs.map(async (doc) => {
      try {
        await doc.ready();
        await doc.flushed();
      } finally {
        doc.close();
      }
    }),
  );
  return docs.length > 0 && sent.every(({ status }) => status === "fulfilled");
};
