/** What a user must know besides the text: no connection, no way to keep edits, edits that were not taken. */

import { useEffect, useState, type ReactNode } from "react";
import { useConnection } from "variorum/react";
import { drafts, Drafts } from "./drafts.js";
import { client, signIn, trouble, unkept } from "./session.js";
import { useShared } from "./shared.js";

/** How long a connection must be missing before it is worth a word, in milliseconds: a server that restarts is back before. */
const GONE = 1_500;

/** Whether there has been no connection for a while, though one is looked for, and not for want of a token. */
export const useOffline = (): boolean => {
  const { status } = useConnection(client);
  const asked = useShared(signIn);
  const missing = asked === "no" && (status === "offline" || status === "connecting");
  const [lasting, setLasting] = useState(false);
  useEffect(() => {
    if (!missing) return setLasting(false);
    const timer = setTimeout(() => setLasting(true), GONE);
    return () => clearTimeout(timer);
  }, [missing]);
  return missing && lasting;
};

const Notice = ({ children, action, onAction }: { children: ReactNode; action?: string; onAction?: () => void }) => (
  <div className="notice">
    <p>{children}</p>
    {action && (
      <button type="button" onClick={onAction}>
        {action}
      </button>
    )}
  </div>
);

/** `doc` is the document shown, if one is; `awaited` says that there is nothing of it to write in yet. */
export const Notices = ({ doc, awaited = false }: { doc?: string; awaited?: boolean }) => {
  const { status } = useConnection(client);
  const asked = useShared(signIn);
  const problem = useShared(trouble);
  const volatile = useShared(unkept);
  const kept = useShared(drafts).filter((draft) => doc === undefined || draft.doc === doc);
  const [open, setOpen] = useState(false);
  const offline = useOffline();
  return (
    <>
      <div className="notices" role="status">
        {asked === "put off" ? (
          <Notice action="Sign in" onAction={() => (signIn.value = "asked")}>
            This server asks for an access token.
          </Notice>
        ) : status === "closed" && problem ? (
          <Notice action="Connect again" onAction={() => client.connect()}>
            {problem.code === "superseded" ? "This document is open elsewhere with this tab's identity." : `The server ended the connection: ${problem.message}.`}
          </Notice>
        ) : (
          offline && (
            <Notice action="Try now" onAction={() => client.reconnect()}>
              <strong>You are offline.</strong>{" "}
              {awaited ? "The document opens when you are back." : volatile ? "What you write is kept in this tab: leave it open until you are back." : "What you write is kept in this browser, and sent when you are back."}
            </Notice>
          )
        )}
        {kept.length > 0 && (
          <Notice action="Show" onAction={() => setOpen(true)}>
            <strong>Some of what you wrote could not be saved.</strong> It is kept here for you.
          </Notice>
        )}
      </div>
      {open && kept.length > 0 && <Drafts of={kept} onClose={() => setOpen(false)} />}
    </>
  );
};
