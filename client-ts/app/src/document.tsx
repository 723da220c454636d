/** The page of one document. */

import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { EditorView } from "@codemirror/view";
import type { Doc, VariorumError } from "variorum";
import { useDocument } from "variorum/react";
import { lookAtDrafts } from "./drafts.js";
import { Editor } from "./editor.js";
import { Icon } from "./icons.js";
import { Link } from "./link.js";
import { Menu } from "./menu.js";
import { Notices, useOffline } from "./notices.js";
import { usePeople, type Person } from "./people.js";
import { Presence, Typing } from "./presence.js";
import { titleOf, visited } from "./recent.js";
import { go, pathOf } from "./route.js";
import { Saving } from "./saving.js";
import { client } from "./session.js";
import { Share } from "./share.js";

const History = lazy(() => import("./history/panel.js"));

export const DocumentPage = ({ id, create }: { id: string; create: boolean }) => {
  const { doc, sync, access, error } = useDocument(client, id, { create: create || undefined, text: false });
  const people = usePeople(client, doc);
  const [view, setView] = useState<EditorView | null>(null);
  const [sharing, setSharing] = useState(false);
  const [past, setPast] = useState(false);
  const leavePast = useCallback(() => {
    setPast(false);
    view?.focus();
  }, [view]);
  // Refused after it was known, it was deleted or closed to this user: what they had is still shown.
  const known = doc !== null && (sync === "refused" ? doc.version > 0 : sync !== "loading");
  const writable = access === "write" && sync !== "refused";
  // Of a document without unsent edits the browser keeps nothing.
  const awaited = useOffline() && sync === "loading";

  useEffect(() => {
    document.title = `${id} · Variorum`;
  }, [id]);
  useEffect(() => doc?.on("reset", () => void lookAtDrafts()), [doc]);
  useVisit(known ? doc : null);

  const find = useCallback(
    ({ id }: Person) => {
      const head = doc?.peers.find(({ user, cursors }) => user.id === id && cursors.length)?.cursors[0]?.head;
      if (head !== undefined) view?.dispatch({ effects: EditorView.scrollIntoView(Math.min(head, view.state.doc.length), { y: "center" }) });
    },
    [doc, view],
  );

  return (
    <div className="document">
      <header className="bar">
        <Link href="/" className="mark" aria-label="All documents">
          V
        </Link>
        <div className="title">
          <h1 title={id}>
            <bdi>{id}</bdi>
          </h1>
          <Saving sync={awaited ? "offline" : sync} readOnly={known && access === "read"} />
        </div>
        <Typing people={people} />
        {known && (
          <nav aria-label="Document">
            <Presence people={people} count={doc.people} onFind={find} />
            <button type="button" className="main" aria-label="Share" onClick={() => setSharing(true)}>
              <Icon of="share" /> <span>Share</span>
            </button>
            <Menu doc={doc} view={view} onHistory={() => setPast(true)} />
          </nav>
        )}
      </header>
      <Notices doc={id} awaited={awaited} />
      <main aria-label="Text" data-past={past || undefined}>
        {known ? (
          <>
            {sync === "refused" && <Gone id={id} error={error} />}
            <Editor doc={doc} writable={writable} onView={setView} />
            {past && (
              <Suspense>
                <History doc={doc} writable={writable} onClose={leavePast} />
              </Suspense>
            )}
          </>
        ) : sync === "refused" ? (
          <Refused id={id} error={error} />
        ) : (
          !awaited && <p className="opening">Opening…</p>
        )}
      </main>
      {sharing && <Share id={id} onClose={() => setSharing(false)} />}
    </div>
  );
};

/** Notes in the list of recent documents that this one is open, and what it begins with when it is left. */
const useVisit = (doc: Doc | null) =>
  useEffect(() => {
    if (!doc) return;
    const note = () => visited(doc.id, titleOf(doc.text), Date.now());
    note();
    document.addEventListener("visibilitychange", note);
    return () => {
      document.removeEventListener("visibilitychange", note);
      note();
    };
  }, [doc]);

/** There was a text, and the server has it no more for this user. */
const Gone = ({ id, error }: { id: string; error: VariorumError | null }) => (
  <div className="notice" role="alert">
    <p>
      <strong>{error?.code === "deleted" || error?.code === "unknown_document" ? "This document was deleted." : "The server does not give this document any more."}</strong> What you see is what was here last.
    </p>
    {error?.code === "deleted" && (
      <button type="button" onClick={() => go(pathOf(id), { create: true })}>
        Make it anew
      </button>
    )}
  </div>
);

const WHY: Record<string, string> = {
  bad_document_id: "A document's name is made of letters, digits and . _ ~ : -, and begins with a letter or digit.",
  forbidden: "You may not open this document. Whoever runs the server can let you in.",
  unsupported_kind: "This is not a text, and this app edits text.",
};

const Refused = ({ id, error }: { id: string; error: VariorumError | null }) => {
  const code = error?.code ?? "";
  return (
    <div className="empty">
      <h2>{code === "unknown_document" ? "There is no document here yet" : "This document cannot be opened"}</h2>
      <p>{WHY[code] ?? (code === "unknown_document" ? "Perhaps the address has a slip in it. If not, begin." : `The server says: ${error?.message ?? "no"}.`)}</p>
      <div className="actions">
        {code === "unknown_document" && (
          <button type="button" className="main" onClick={() => go(pathOf(id), { create: true })}>
            Create it
          </button>
        )}
        <Link href="/" className="button">
          All documents
        </Link>
      </div>
    </div>
  );
};
