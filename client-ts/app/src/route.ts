/** Which page an address means. */

import { Shared, useShared } from "./shared.js";

/** The list of documents; or one of them, which is made if it is not there and `create` says so. */
export type Route = {
  /** Counts the pages gone to: going to the same address again is another visit. */
  readonly visit: number;
} & ({ readonly page: "home" } | { readonly page: "document"; readonly id: string; readonly create: boolean });

let visits = 0;

const here = (): Route => {
  const visit = visits++;
  const [, encoded] = /^\/d\/([^/]+)\/?$/.exec(location.pathname) ?? [];
  if (!encoded) return { visit, page: "home" };
  const create = (history.state as { create?: unknown } | null)?.create === true;
  try {
    return { visit, page: "document", id: decodeURIComponent(encoded), create };
  } catch {
    // A percent sign that begins nothing: the id is what it is, and the server will say that it is none.
    return { visit, page: "document", id: encoded, create };
  }
};

const route = new Shared(here());
addEventListener("popstate", () => (route.value = here()));

export const useRoute = (): Route => useShared(route);

/** The path of a document. */
export const pathOf = (id: string): string => `/d/${encodeURIComponent(id)}`;

/** Goes to a path of the app without loading the page anew. With `create` the document there is made if it is not there. */
export const go = (path: string, { create = false } = {}): void => {
  history.pushState(create ? { create } : null, "", path);
  route.value = here();
};
