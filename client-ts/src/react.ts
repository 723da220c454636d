/** Hooks for React: a document, the people in it, and the connection, each read anew when it changes. */

import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import type { Client, OpenOptions } from "./client.js";
import type { Status } from "./connection.js";
import type { Doc, Sync } from "./document.js";
import type { VariorumError } from "./errors.js";
import type { Peer } from "./presence.js";
import type { Access, State, User } from "./protocol.js";

/** A document as {@link useDocument} gives it. */
export interface DocumentView {
  /** The document, for edits; null before the component is on the screen. */
  readonly doc: Doc | null;
  /** Its text; empty until it is known, and where it was not asked for. */
  readonly text: string;
  /** How it stands with the server. */
  readonly sync: Sync;
  /** What this user may do. */
  readonly access: Access;
  /** What last went wrong; null if nothing did since it was last saved. */
  readonly error: VariorumError | null;
}

/** How to open a document, and what of it the component shows. */
export interface DocumentOptions extends OpenOptions {
  /** Whether it shows the text, and is rendered at each change of it; true if left out. `false` is for where an editor does. */
  readonly text?: boolean | undefined;
}

const never = () => () => {};

/** Opens a document as long as the component is on the screen. `options` count when it is opened. */
export const useDocument = (client: Client, id: string, options: DocumentOptions = {}): DocumentView => {
  const [doc, setDoc] = useState<Doc | null>(null);
  const [error, setError] = useState<VariorumError | null>(null);
  useEffect(() => {
    const opened = client.open(id, options);
    const stops = [opened.on("error", setError), opened.on("sync", (sync) => sync === "saved" && setError(null))];
    setDoc(opened);
    return () => {
      for (const stop of stops) stop();
      setDoc(null);
      setError(null);
      opened.close();
    };
    // Options are a way to open it, and no reason to do so again.
  }, [client, id]);
  const shown = options.text === false ? null : doc;
  const changes = useCallback((tell: () => void) => shown?.on("change", tell) ?? never(), [shown]);
  const syncs = useCallback((tell: () => void) => doc?.on("sync", tell) ?? never(), [doc]);
  const text = useSyncExternalStore(changes, () => shown?.text ?? "", () => "");
  const sync = useSyncExternalStore<Sync>(syncs, () => doc?.sync ?? "loading", () => "loading");
  return { doc, text, sync, access: doc?.access ?? "read", error };
};

/** The people in a document, as {@link usePresence} gives them. */
export interface PresenceView {
  /** Everyone else, with their cursors where they are in the text as it is now. */
  readonly peers: readonly Peer[];
  /** How many people are here, oneself included. */
  readonly people: number;
  /** Shows others a state; see `doc.presence.set`. */
  readonly set: (state: State | null) => void;
}

const nobody: readonly Peer[] = [];

/** Who else is in a document and where. Takes null, as a document is at first. */
export const usePresence = (doc: Doc | null): PresenceView => {
  const listen = useCallback(
    (tell: () => void) => {
      const stops = doc ? [doc.on("presence", tell), doc.on("change", tell)] : [];
      return () => {
        for (const stop of stops) stop();
      };
    },
    [doc],
  );
  const peers = useSyncExternalStore(listen, () => doc?.peers ?? nobody, () => nobody);
  const people = useSyncExternalStore(listen, () => doc?.people ?? 0, () => 0);
  return useMemo(() => ({ peers, people, set: (state) => doc?.presence.set(state) }), [doc, peers, people]);
};

/** The connection, as {@link useConnection} gives it. */
export interface ConnectionView {
  /** How it stands with the server. */
  readonly status: Status;
  /** Who the server takes this user for. */
  readonly user: User | null;
}

/** How a client stands with its server. */
export const useConnection = (client: Client): ConnectionView => {
  const listen = useCallback((tell: () => void) => client.on("status", tell), [client]);
  const status = useSyncExternalStore<Status>(listen, () => client.status, () => "connecting");
  const user = useSyncExternalStore(listen, () => client.user, () => null);
  return { status, user };
};
