/** What a user chose, kept in the browser. */

import { kept } from "./shared.js";

const BIRDS = ["Heron", "Wren", "Curlew", "Plover", "Lark", "Swift", "Dunlin", "Siskin", "Linnet", "Avocet", "Merlin", "Dipper", "Knot", "Teal", "Grebe", "Rook"];
const MANNERS = ["Quiet", "Early", "Patient", "Brisk", "Kind", "Bright", "Steady", "Merry", "Nimble", "Thoughtful", "Candid", "Gentle"];

const one = (of: readonly string[]): string => of[Math.floor(Math.random() * of.length)]!;

/** The name that others see. Who gives none gets one, so that two strangers can be told apart. */
export const name = kept("name", (found) => (typeof found === "string" && found ? found : `${one(MANNERS)} ${one(BIRDS)}`));

export type Theme = "system" | "light" | "dark";
export const theme = kept<Theme>("theme", (found) => (found === "light" || found === "dark" ? found : "system"));

/** The letters of the text: a book's, or all of one width. */
export type Letters = "serif" | "mono";
export const letters = kept<Letters>("letters", (found) => (found === "mono" ? "mono" : "serif"));

/** Proof of who the user is, where the server asks for it. It comes from a link's fragment, which is never sent, or from a prompt. */
export const token = kept<string | undefined>("token", (found) => (typeof found === "string" && found ? found : undefined));

/** Takes the token out of the page's address, so that it is not shared with it. Says whether there was one. */
export const takeToken = (): boolean => {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return false;
  token.value = given;
  history.replaceState(history.state, "", location.pathname + location.search);
  return true;
};

/** Keeps the page in the chosen colours and letters. */
export const applyLooks = (): void => {
  const { dataset } = document.documentElement;
  const apply = () => {
    dataset["theme"] = theme.value;
    dataset["letters"] = letters.value;
  };
  theme.watch(apply);
  letters.watch(apply);
  apply();
};
