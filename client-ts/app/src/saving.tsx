/** Whether everything that was typed is durable on the server: said at once when it is not, and only when it has lasted when it is. */

import { useEffect, useState } from "react";
import type { Sync } from "variorum";

/** How long all must have been durable before it is said again, in milliseconds: while someone types it would flicker. */
const SETTLED = 400;

const SAYS: Record<Sync, string> = {
  loading: "Opening…",
  saving: "Saving…",
  saved: "All changes saved",
  offline: "Offline",
  refused: "Not saved",
};

export const Saving = ({ sync, readOnly }: { sync: Sync; readOnly: boolean }) => {
  const [settled, setSettled] = useState(sync);
  useEffect(() => {
    if (sync !== "saved") return setSettled(sync);
    const timer = setTimeout(() => setSettled(sync), SETTLED);
    return () => clearTimeout(timer);
  }, [sync]);
  // What was saved a moment ago and is not now must not be said to be.
  const shown = sync === "saved" ? settled : sync;
  return (
    <p className="saving" data-sync={shown}>
      {readOnly && shown === "saved" ? "Read only" : SAYS[shown]}
    </p>
  );
};
