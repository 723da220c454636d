/** A document in a `<textarea>` or a text `<input>`. */

import type { Doc } from "./document.js";
import { difference, type Change } from "./ot/content.js";
import { compose, movePosition, transform, type Op } from "./ot/text.js";
import { Content } from "./ot/content.js";

/** The part of a field that is used. */
export type Field = HTMLTextAreaElement | HTMLInputElement;

/** Where the place `at` of the text as a field shows it, with all line breaks as "\n", is in `text` itself. */
const unshown = (text: string, at: number): number => {
  for (let from = 0; (from = text.indexOf("\r\n", from)) >= 0 && from < at; from += 2) at++;
  return at;
};
const show = (text: string): string => text.replace(/\r\n?/g, "\n");

/**
 * Makes `field` show and edit `doc`, and gives the function that ends that. The selection stays at its letters while
 * others write; while an input method composes, others' changes wait. Undo is the document's: one's own edits only.
 *
 * The field is read-only until the document is ready, and where the document may only be read.
 */
export const bindTextarea = (doc: Doc, field: Field): (() => void) => {
  /** What the field shows, but for its line breaks. */
  let shown = doc.text;
  /** What the document was changed by since, while that had to wait. */
  let behind: Op | undefined;
  let composing = false;
  const origin = {};

  const allow = () => {
    field.readOnly = doc.sync === "loading" || doc.sync === "refused" || doc.access === "read";
  };

  /** Puts the document's text into the field, with the selection moved along `op`. */
  const put = (op?: Op) => {
    const { selectionStart, selectionEnd, selectionDirection } = field;
    const before = new Content(shown);
    const after = doc.text;
    const now = new Content(after);
    const move = (at: number | null) => show(after.slice(0, now.toUnits(movePosition(op ?? [], before.toScalars(unshown(shown, at ?? 0)), false)))).length;
    const [start, end] = op ? [move(selectionStart), move(selectionEnd)] : [0, 0];
    shown = after;
    behind = undefined;
    field.value = after;
    if (op) field.setSelectionRange(start, end, selectionDirection ?? undefined);
  };

  /** Tells the document what was typed. */
  const read = () => {
    const value = field.value;
    const old = show(shown);
    if (composing || value === old) return;
    const found = difference(old, value, field.selectionEnd ?? value.length);
    const change: Change = { from: unshown(shown, found.from), to: unshown(shown, found.to), insert: found.insert };
    const before = new Content(shown);
    const op = before.op([change]);
    const [moved, past] = behind ? transform(op, behind) : [op, undefined];
    before.apply(op);
    shown = String(before);
    behind = undefined;
    try {
      doc.apply(moved, origin);
    } catch {
      // It may only be read since a moment ago: the field goes back to what the document has.
      return put();
    }
    // What waited is shown now; and half a pair that was typed is another character in the document.
    if (past) put(past);
    else if (show(doc.text) !== field.value) put([]);
  };

  const stops = [
    doc.on("change", ({ op, origin: by }) => {
      if (by === origin) return;
      if (composing) behind = behind ? compose(behind, op) : op;
      else put(op);
    }),
    doc.on("sync", allow),
  ];
  const listen = (type: string, listener: (event: any) => void) => {
    field.addEventListener(type, listener);
    stops.push(() => field.removeEventListener(type, listener));
  };
  listen("input", read);
  listen("compositionstart", () => {
    composing = true;
  });
  listen("compositionend", () => {
    composing = false;
    read();
    if (behind) put(behind);
  });
  const take = (event: Event, back: boolean) => {
    event.preventDefault();
    if (back) doc.undo();
    else doc.redo();
  };
  listen("beforeinput", (event: InputEvent) => {
    if (event.inputType === "historyUndo" || event.inputType === "historyRedo") take(event, event.inputType === "historyUndo");
  });
  listen("keydown", (event: KeyboardEvent) => {
    const key = event.key.toLowerCase();
    if (event.altKey || !(event.ctrlKey || event.metaKey) || (key !== "z" && key !== "y")) return;
    take(event, key === "z" && !event.shiftKey);
  });
  allow();
  put();
  return () => {
    for (const stop of stops) stop();
  };
};
