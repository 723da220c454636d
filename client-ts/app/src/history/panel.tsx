/** The past of a document: a slider through all versions, who wrote when, names, and the way back. Loaded when it is first opened. */

import { useCallback, useEffect, useId, useState } from "react";
import type { Doc, History, Label, Stretch } from "variorum";
import { peerColor } from "variorum/codemirror";
import { Icon } from "../icons.js";
import { say } from "../said.js";
import { Labels } from "./labels.js";
import { Past, type View } from "./past.js";
import "../styles/history.css";

const VIEWS: readonly (readonly [View, string])[] = [
  ["changes", "Changes"],
  ["authors", "Authors"],
  ["text", "Text"],
];

export interface PanelProps {
  readonly doc: Doc;
  readonly writable: boolean;
  readonly onClose: () => void;
}

/** What is known of the past; it is asked anew when the document has changed and come to rest. */
interface Known {
  readonly history: History;
  readonly head: number;
  readonly stretches: readonly Stretch[];
  /** Where the next ones begin; undefined if these are all. */
  readonly before: number | undefined;
  readonly labels: readonly Label[];
}

/** How long the document must have been at rest before its past is asked again, in milliseconds. */
const REST = 1_000;

export default function Panel({ doc, writable, onClose }: PanelProps) {
  const [known, setKnown] = useState<Known>();
  const [problem, setProblem] = useState("");
  const [chosen, setChosen] = useState<number>();
  const [view, setView] = useState<View>("changes");
  const heading = useId();

  const load = useCallback(async () => {
    try {
      const history = await doc.history();
      const [{ head, stretches, before, more }, labels] = await Promise.all([history.stretches({ limit: 100 }), history.labels()]);
      setKnown({ history, head, stretches, before: more ? before : undefined, labels });
      setProblem("");
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "The past cannot be read.");
    }
  }, [doc]);
  useEffect(() => {
    void load();
    let timer: ReturnType<typeof setTimeout>;
    const stop = doc.on("change", () => {
      clearTimeout(timer);
      timer = setTimeout(load, REST);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [doc, load]);
  useEffect(() => {
    const leave = (event: KeyboardEvent) => event.key === "Escape" && !event.defaultPrevented && onClose();
    addEventListener("keydown", leave);
    return () => removeEventListener("keydown", leave);
  }, [onClose]);

  const more = async () => {
    if (known?.before === undefined) return;
    const next = await known.history.stretches({ before: known.before, limit: 100 });
    setKnown({ ...known, stretches: [...known.stretches, ...next.stretches], before: next.more ? next.before : undefined });
  };
  const restore = async (version: number) => {
    try {
      await known!.history.restore({ version });
      say(`Version ${version} is back, as the newest one`);
      onClose();
    } catch (error) {
      say(error instanceof Error ? error.message : "That did not work");
    }
  };

  const version = chosen ?? known?.head ?? 0;
  return (
    <>
      {known && <Past history={known.history} version={version} head={known.head} view={view} />}
      <aside className="history" aria-labelledby={heading}>
        <header>
          <h2 id={heading}>History</h2>
          <button type="button" className="quiet" aria-label="Close the history" onClick={onClose}>
            <Icon of="close" />
          </button>
        </header>
        {problem && <p role="alert">{problem}</p>}
        {known && (
          <>
            <label className="slider">
              <span>
                Version {version} <span className="hint">of {known.head}</span>
              </span>
              <input type="range" min={0} max={known.head} value={version} autoFocus aria-valuetext={`Version ${version} of ${known.head}`} onChange={(event) => setChosen(Number(event.target.value))} />
            </label>
            <fieldset className="segments">
              <legend className="unseen">What is shown</legend>
              {VIEWS.map(([each, says]) => (
                <label key={each}>
                  <input type="radio" name="view" checked={view === each} onChange={() => setView(each)} />
                  <span>{says}</span>
                </label>
              ))}
            </fieldset>
            {writable && (
              <button type="button" className="main" disabled={version === known.head} onClick={() => void restore(version)}>
                <Icon of="history" /> Restore this version
              </button>
            )}
            <Labels history={known.history} labels={known.labels} version={version} writable={writable} onChoose={setChosen} onChange={() => void load()} />
            <ol className="stretches" aria-label="Who wrote when, newest first">
              {known.stretches.map((stretch) => (
                <li key={stretch.version}>
                  <StretchButton stretch={stretch} current={version > stretch.from && version <= stretch.version} onChoose={setChosen} />
                </li>
              ))}
            </ol>
            {known.before !== undefined && (
              <button type="button" onClick={() => void more()}>
                Earlier
              </button>
            )}
          </>
        )}
      </aside>
    </>
  );
}

const StretchButton = ({ stretch: { user, version, time, added, removed }, current, onChoose }: { stretch: Stretch; current: boolean; onChoose: (version: number) => void }) => (
  <button type="button" className={`stretch peer-${peerColor(user)}`} aria-current={current || undefined} onClick={() => onChoose(version)}>
    <span className="who">
      <bdi>{user.name || "Someone"}</bdi>
    </span>
    <time dateTime={new Date(time).toISOString()}>{new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}</time>
    <span className="much">
      {added > 0 && <span aria-label={`${added} added`}>+{added}</span>} {removed > 0 && <span aria-label={`${removed} removed`}>−{removed}</span>}
    </span>
  </button>
);
