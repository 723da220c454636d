/** What a user wrote and the server could not take: kept until they have done with it what they want. */

import { useState } from "react";
import type { Draft } from "variorum";
import { Dialog } from "./dialog.js";
import { Icon } from "./icons.js";
import { copy } from "./said.js";
import { client } from "./session.js";
import { Shared } from "./shared.js";

/** All of them, of every document. */
export const drafts = new Shared<readonly Draft[]>([]);

/** Looks again at what is kept. */
export const lookAtDrafts = async (): Promise<void> => {
  drafts.value = (await client.drafts()).sort((a, b) => b.time - a.time);
};

const REASONS: Record<string, string> = {
  epoch: "the document was deleted and made anew",
  ahead: "the server was set back to an older state",
  chain: "the server was set back to an older state",
  pruned: "it was written upon a version that is no longer kept",
  diverged: "this page and the server had come to hold different texts",
  deleted: "the document was deleted",
  unknown_document: "the document is gone",
  too_large: "it was too large",
  read_only: "the document may only be read",
  forbidden: "the document may not be changed",
};

export const Drafts = ({ of, onClose }: { of: readonly Draft[]; onClose: () => void }) => (
  <Dialog title="What could not be saved" onClose={onClose}>
    <p>These changes are in this browser only. Copy what you need, and put it where it belongs.</p>
    <ul className="drafts">
      {of.map((draft) => (
        <Kept key={draft.id} draft={draft} />
      ))}
    </ul>
  </Dialog>
);

const Kept = ({ draft: { id, doc, inserted, text, reason, time } }: { draft: Draft }) => {
  const [sure, setSure] = useState(false);
  const written = inserted.join("\n");
  return (
    <li>
      <p className="hint">
        <bdi>{doc}</bdi>, {new Date(time).toLocaleString()}: {REASONS[reason] ?? `it was refused (${reason})`}.
      </p>
      <pre dir="auto" tabIndex={0} aria-label="What you wrote">
        {written || "(only deletions)"}
      </pre>
      <div className="actions">
        {written && (
          <button type="button" onClick={() => void copy(written, "What you wrote")}>
            <Icon of="copy" /> Copy what I wrote
          </button>
        )}
        <button type="button" onClick={() => void copy(text, "The whole text")}>
          Copy the whole text
        </button>
        <button type="button" className="danger" onClick={() => (sure ? void client.discard(id).then(lookAtDrafts) : setSure(true))}>
          {sure ? "Discard for good" : "Discard"}
        </button>
      </div>
    </li>
  );
};
