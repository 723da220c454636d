/** A document as it was: as bare text, with what has changed since, or with who wrote what. */

import { useEffect, useState, type ReactNode } from "react";
import type { Blame, Diff, History, User } from "variorum";
import { peerColor } from "variorum/codemirror";

export type View = "changes" | "authors" | "text";

export interface PastProps {
  readonly history: History;
  readonly version: number;
  /** The newest version, which changes are told up to. */
  readonly head: number;
  readonly view: View;
}

/** Waits for the slider to rest before the server is asked, in milliseconds. */
const REST = 120;

export const Past = ({ history, version, head, view }: PastProps) => {
  const [shown, setShown] = useState<ReactNode>(null);
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      drawn(history, version, head, view, stop.signal).then(setShown, (error: unknown) => {
        if (!stop.signal.aborted) setShown(<p className="hint">{error instanceof Error ? error.message : "This version cannot be shown."}</p>);
      });
    }, REST);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [history, version, head, view]);
  return (
    <div className="past" role="region" aria-label={`Version ${version}`} tabIndex={0}>
      <div className="past-text" dir="auto">
        {shown}
      </div>
    </div>
  );
};

const drawn = async (history: History, version: number, head: number, view: View, signal: AbortSignal): Promise<ReactNode> => {
  if (view === "authors") return <Authors blame={await history.blame(version, { signal })} />;
  if (view === "changes" && version < head) return <Changes diff={await history.diff(version, head, { signal })} />;
  const { content } = await history.at(version, { signal });
  return content || <Empty />;
};

const Empty = () => <span className="hint">Nothing was written yet.</span>;

const when = (time: number | undefined) => (time === undefined ? "" : `, ${new Date(time).toLocaleString()}`);

interface Run {
  readonly sort?: "kept" | "added" | "removed";
  readonly text?: string;
  readonly user?: number;
}

/** Neighbouring runs of one sort and person as one: a run is told for each revision, and a person types many. */
const joined = <R extends Run>(runs: readonly R[]): R[] => {
  const all: R[] = [];
  for (const run of runs) {
    const last = all[all.length - 1];
    if (last && last.sort === run.sort && last.user === run.user) all[all.length - 1] = { ...run, text: `${last.text ?? ""}${run.text ?? ""}` };
    else all.push(run);
  }
  return all;
};

/** What is gone since is struck out, what came since is marked: each in the colour of whose it is. */
const Changes = ({ diff: { runs, users } }: { diff: Diff }) => (
  <>
    {runs.length === 0 && <Empty />}
    {joined(runs).map(({ sort, text = "", user, time }, place) => {
      if (sort === "kept") return text;
      const who = user === undefined ? undefined : users[user];
      const Mark = sort === "added" ? "ins" : "del";
      return (
        <Mark key={place} className={color(who)} title={`${sort === "added" ? "Added" : "Removed"} by ${who?.name || "someone"}${when(time)}`}>
          {text}
        </Mark>
      );
    })}
  </>
);

const Authors = ({ blame: { runs, users, more } }: { blame: Blame }) => (
  <>
    {runs.length === 0 && <Empty />}
    {joined(runs).map(({ text, user, version, time }, place) => (
      <span key={place} className={`by ${color(users[user])}`} title={`${users[user]?.name || "Someone"}, version ${version}${when(time)}`}>
        {text}
      </span>
    ))}
    {more && <p className="hint">The rest is too long to be shown here.</p>}
  </>
);

const color = (user: User | undefined): string => (user ? `peer-${peerColor(user)}` : "");
