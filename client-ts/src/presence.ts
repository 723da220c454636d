/** Who else is here and where: positions are moved along with the text, so that a cursor stays at its letter. */

import type { Machine } from "./machine.js";
import { movePosition, type Op } from "./ot/text.js";
import type { Presence, State, User } from "./protocol.js";

/** A cursor or selection, in UTF-16 code units of the text as it is now. */
export interface Cursor {
  /** Where the selection began. */
  readonly anchor: number;
  /** Where the cursor is. */
  readonly head: number;
}

/** A connection that has the document open: one person may have several. */
export interface Peer {
  /** Public id of the connection. */
  readonly session: string;
  /** Who it is. */
  readonly user: User;
  /** What they show of themselves, as they sent it; null if nothing. It comes from a stranger: check before use. */
  readonly state: State | null;
  /** Their cursors, where they are in the text as it is now. */
  readonly cursors: readonly Cursor[];
}

interface Known {
  readonly session: string;
  readonly user: User;
  state: State | null;
  /** Cursors in scalar values of the text on the screen, anchor and head in turn. */
  places: number[];
}

/** Pairs of what is in `flat`. */
export const pairs = <T, U>(flat: readonly T[], pair: (first: T, second: T) => U): U[] =>
  flat.flatMap((first, at) => (at % 2 ? [] : [pair(first, flat[at + 1] as T)]));

/** The positions in a state, if it keeps the convention. */
const placesIn = (state: State | null): number[] => {
  const cursors: unknown = state?.cursors;
  const valid = (pair: unknown) => Array.isArray(pair) && pair.length === 2 && pair.every((at) => at >= 0 && Number.isSafeInteger(at));
  return Array.isArray(cursors) && cursors.every(valid) ? cursors.flat() : [];
};

export interface Peers {
  /** How many people are here, oneself included. */
  count: number;
  /** Everyone known; the same array until something changes. */
  readonly list: readonly Peer[];
  /** Takes what the server says; `own` is this connection, which is no peer. Gives who came and who left. */
  take(presence: Presence, own: string): { readonly joined: Peer[]; readonly left: Peer[] };
  /** Takes the states that waited for a version that is here now. */
  release(): void;
  /** Moves everyone along with a change of the screen. Its author's own cursor goes behind what they inserted. */
  move(op: Op, author: string | null): void;
  /** Forgets everyone: the connection is gone. */
  clear(): void;
}

export const createPeers = (machine: Machine): Peers => {
  const known = new Map<string, Known>();
  /** States that are ahead of the text here. */
  let held: NonNullable<Presence["states"]> = [];
  let list: readonly Peer[] | undefined;

  const shown = ({ places, ...known }: Known): Peer => {
    const at = (place: number) => machine.text?.toUnits(place) ?? 0;
    return { ...known, cursors: pairs(places, (anchor, head) => ({ anchor: at(anchor), head: at(head) })) };
  };

  const peers: Peers = {
    count: 0,
    get list() {
      return (list ??= [...known.values()].map(shown));
    },
    take({ count, joined = [], left = [], states = [] }, own) {
      const came = joined.flatMap(({ session, user }) => {
        if (session === own || known.has(session)) return [];
        const peer = { session, user, state: null, places: [] };
        known.set(session, peer);
        return [shown(peer)];
      });
      const went = left.flatMap((session) => {
        const peer = known.get(session);
        known.delete(session);
        return peer ? [shown(peer)] : [];
      });
      peers.count = count;
      held = [...held, ...states];
      list = undefined;
      peers.release();
      return { joined: came, left: went };
    },
    release() {
      const { place, recent, inflight, buffer } = machine;
      if (!place || !held.length) return;
      list = undefined;
      held = held.filter(({ session, version, state }) => {
        if (version > place.version) return true;
        const peer = known.get(session);
        if (peer) {
          const past = [...recent.flatMap((each) => (each.version > version ? [each.op] : [])), inflight ?? [], buffer ?? []];
          peer.state = state;
          peer.places = placesIn(state).map((at) => past.reduce((moved, op) => movePosition(op, moved, false), at));
        }
        return false;
      });
    },
    move(op, author) {
      for (const peer of known.values()) peer.places = peer.places.map((at) => movePosition(op, at, peer.session === author));
      list = undefined;
    },
    clear() {
      known.clear();
      held = [];
      list = undefined;
      peers.count = 0;
    },
  };
  return peers;
};
