/** The first page: begin a document, or find one. */

import { useCallback, useEffect, useId, useState } from "react";
import { useConnection } from "variorum/react";
import { list, type Listed } from "./api.js";
import { Icon } from "./icons.js";
import { Link } from "./link.js";
import { ThemeChoice } from "./menu.js";
import { Notices } from "./notices.js";
import { forget, recent } from "./recent.js";
import { go, pathOf } from "./route.js";
import { client } from "./session.js";
import { token } from "./settings.js";
import { useShared } from "./shared.js";

/** A title as a document's id: what ids may hold of it. Of one that leaves nothing, as in many scripts, it is a random word. */
export const idOf = (title: string): string => {
  const plain = title.normalize("NFKD").replace(/\p{M}/gu, "").trim().replace(/\s+/g, "-");
  const id = plain.replace(/[^A-Za-z0-9._~:-]/g, "").replace(/^[^A-Za-z0-9]+/, "").slice(0, 200);
  return id || Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => (byte % 36).toString(36)).join("");
};

export const Home = () => {
  const [title, setTitle] = useState("");
  const { status } = useConnection(client);
  useEffect(() => {
    document.title = "Variorum";
  }, []);
  return (
    <div className="home">
      {status !== "closed" && <Notices />}
      <main>
        <h1>Variorum</h1>
        <p className="lead">Write together. Every keystroke is kept, and every version can be read again.</p>
        <form
          className="begin"
          onSubmit={(event) => {
            event.preventDefault();
            go(pathOf(idOf(title)), { create: true });
          }}
        >
          <label>
            <span className="unseen">Name of a document</span>
            <input value={title} maxLength={200} placeholder="Name, or leave it empty" autoCapitalize="none" spellCheck={false} onChange={(event) => setTitle(event.target.value)} />
          </label>
          <button type="submit" className="main">
            Open
          </button>
        </form>
        <RecentList />
        <AllDocuments />
      </main>
      <footer>
        <ThemeChoice />
      </footer>
    </div>
  );
};

const formatter = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const STEPS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;

/** How long ago a time was, in words. */
const ago = (time: number): string => {
  const past = Math.max(0, Date.now() - time);
  const [unit, size] = STEPS.find(([, size]) => past >= size) ?? ["minute", 60_000];
  return past > 30 * 86_400_000 ? new Date(time).toLocaleDateString() : formatter.format(-Math.floor(past / size), unit);
};

const RecentList = () => {
  const heading = useId();
  const documents = useShared(recent);
  if (!documents.length) return null;
  return (
    <section aria-labelledby={heading}>
      <h2 id={heading}>Opened in this browser</h2>
      <ul className="documents">
        {documents.map(({ id, title, time }) => (
          <li key={id}>
            <Link href={pathOf(id)}>
              <bdi className="id">{id}</bdi>
              <span className="about" dir="auto">
                {title || "Empty"}
              </span>
              <span className="when">{ago(time)}</span>
            </Link>
            <button type="button" className="quiet" aria-label={`Take ${id} out of this list`} onClick={() => forget(id)}>
              <Icon of="close" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
};

/** What the server has, for whom it lists it. */
const AllDocuments = () => {
  const heading = useId();
  const as = useShared(token);
  const [documents, setDocuments] = useState<readonly Listed[]>([]);
  const [more, setMore] = useState(false);
  const load = useCallback(
    async (after: string, signal: AbortSignal) => {
      try {
        const page = await list(after, signal);
        setDocuments((before) => (after ? [...before, ...(page?.documents ?? [])] : (page?.documents ?? [])));
        setMore(page?.more ?? false);
      } catch {
        // Offline, or no longer of interest: there is the list of this browser.
      }
    },
    [as],
  );
  useEffect(() => {
    const stop = new AbortController();
    void load("", stop.signal);
    return () => stop.abort();
  }, [load]);
  if (!documents.length) return null;
  return (
    <section aria-labelledby={heading}>
      <h2 id={heading}>On this server</h2>
      <ul className="documents">
        {documents.map(({ id, version, changed }) => (
          <li key={id}>
            <Link href={pathOf(id)}>
              <bdi className="id">{id}</bdi>
              <span className="about">{version === 1 ? "1 version" : `${version} versions`}</span>
              <span className="when">{ago(changed)}</span>
            </Link>
          </li>
        ))}
      </ul>
      {more && (
        <button type="button" onClick={() => void load(documents[documents.length - 1]!.id, new AbortController().signal)}>
          More
        </button>
      )}
    </section>
  );
};
