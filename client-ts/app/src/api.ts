/** What the app asks of the server over HTTP. */

import { token } from "./settings.js";

/** A document as the server lists it. */
export interface Listed {
  readonly id: string;
  readonly version: number;
  /** When it last changed, in milliseconds since 1970. */
  readonly changed: number;
}

export interface Page {
  readonly documents: readonly Listed[];
  readonly more: boolean;
}

/** The headers that say who asks. */
export const credentials = (): HeadersInit => (token.value ? { authorization: `Bearer ${token.value}` } : {});

/**
 * Documents after the id `after`, in the order of their ids. Null where this user may not list them, or this server does
 * not.
 */
export const list = async (after: string, signal: AbortSignal): Promise<Page | null> => {
  const answer = await fetch(`/v1/docs?${new URLSearchParams({ limit: "200", ...(after && { after }) })}`, { headers: credentials(), signal });
  if (!answer.ok) return null;
  return (await answer.json()) as Page;
};
