/** Names of versions: those there are, and one for the version looked at. */

import { useState } from "react";
import type { History, Label } from "variorum";
import { Icon } from "../icons.js";
import { say } from "../said.js";

export interface LabelsProps {
  readonly history: History;
  readonly labels: readonly Label[];
  /** The version looked at. */
  readonly version: number;
  readonly writable: boolean;
  readonly onChoose: (version: number) => void;
  /** They are others now. */
  readonly onChange: () => void;
}

export const Labels = ({ history, labels, version, writable, onChoose, onChange }: LabelsProps) => {
  const [name, setName] = useState("");
  const change = async (act: Promise<unknown>) => {
    try {
      await act;
      setName("");
    } catch (error) {
      say(error instanceof Error ? error.message : "That did not work");
    }
    onChange();
  };
  return (
    <section aria-label="Names of versions">
      {labels.length > 0 && (
        <ul className="labels">
          {labels.map((label) => (
            <li key={label.name}>
              <button type="button" className="label" aria-pressed={label.version === version} title={label.note || undefined} onClick={() => onChoose(label.version)}>
                <bdi>{label.name}</bdi>
                <span className="hint">version {label.version}</span>
              </button>
              {writable && (
                <button type="button" className="quiet" aria-label={`Take the name ${label.name} away`} onClick={() => void change(history.unlabel(label.name))}>
                  <Icon of="close" />
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {writable && (
        <form
          className="naming"
          onSubmit={(event) => {
            event.preventDefault();
            if (name.trim()) void change(history.label(name.trim(), version));
          }}
        >
          <input value={name} maxLength={100} placeholder={`Name version ${version}`} aria-label={`A name for version ${version}`} onChange={(event) => setName(event.target.value)} />
          <button type="submit" disabled={!name.trim()}>
            Name
          </button>
        </form>
      )}
    </section>
  );
};
