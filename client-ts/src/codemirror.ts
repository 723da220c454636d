/** A document in a CodeMirror 6 editor: everyone's text and cursors, and undo of one's own edits only. */

import { Annotation, EditorState, Prec, RangeSetBuilder, type Extension } from "@codemirror/state";
import { Decoration, EditorView, keymap, ViewPlugin, WidgetType, type DecorationSet, type ViewUpdate } from "@codemirror/view";
import type { ChangeEvent, Doc } from "./document.js";
import { difference, type Change } from "./ot/content.js";
import { splitsPair, wellFormed } from "./ot/utf16.js";
import type { Peer } from "./presence.js";
import type { State, User } from "./protocol.js";

/** How a document is shown in an editor. */
export interface CodeMirrorOptions {
  /** What others see of this user besides cursors and `typing`. Left out, that is all they see. */
  readonly state?: State | undefined;
  /** How long after the last key one counts as typing, in milliseconds; 2,000 if left out. */
  readonly typing?: number | undefined;
}

/** How many colours there are. */
const COLORS = 8;

/** The colours of those met first, who each have their own. */
const met = new Map<string, number>();

/**
 * The number of a person's colour, from 0 to 7. Their class is `cm-peer-` and the number. It is the same in every browser,
 * but where two of the first eight people that a page meets would share one: there the later one takes the next that is free.
 */
export const peerColor = ({ id }: User): number => {
  let color = met.get(id);
  if (color !== undefined) return color;
  color = 0;
  for (const letter of id) color = (color * 31 + letter.codePointAt(0)!) % 1009;
  color %= COLORS;
  if (met.size < COLORS) {
    const taken = new Set(met.values());
    while (taken.has(color)) color = (color + 1) % COLORS;
    met.set(id, color);
  }
  return color;
};

/** Marks what came from the document, and is not to be told to it. */
const fromDoc = Annotation.define<boolean>();

class Caret extends WidgetType {
  constructor(
    readonly name: string,
    readonly color: number,
  ) {
    super();
  }
  override eq({ name, color }: Caret): boolean {
    return name === this.name && color === this.color;
  }
  override toDOM(): HTMLElement {
    const caret = document.createElement("span");
    caret.className = `cm-peer cm-peer-${this.color}`;
    caret.ariaHidden = "true";
    const label = caret.appendChild(document.createElement("span"));
    label.className = "cm-peer-name";
    // A stranger's text: never as HTML.
    label.textContent = this.name;
    return caret;
  }
  override ignoreEvent(): boolean {
    return true;
  }
}

/** The cursors and selections of others, in the order that the editor wants them. */
const drawn = (peers: readonly Peer[], length: number): DecorationSet => {
  const builder = new RangeSetBuilder<Decoration>();
  const parts = peers.flatMap(({ user, cursors }) => {
    const color = peerColor(user);
    return cursors.flatMap(({ anchor, head }) => {
      const [from, to] = [Math.min(anchor, head, length), Math.min(Math.max(anchor, head), length)];
      const at = Math.min(head, length);
      const selected = { from, to, shown: Decoration.mark({ class: `cm-peer-selection cm-peer-${color}` }) };
      const caret = { from: at, to: at, shown: Decoration.widget({ widget: new Caret(user.name, color), side: -1 }) };
      return from < to ? [selected, caret] : [caret];
    });
  });
  parts.sort((a, b) => a.from - b.from || a.shown.startSide - b.shown.startSide);
  for (const { from, to, shown } of parts) builder.add(from, to, shown);
  return builder.finish();
};

/** The colours can be told from light and dark paper, and white from them. */
const theme = EditorView.baseTheme({
  ".cm-peer": { position: "relative", borderLeft: "2px solid var(--peer)", marginLeft: "-1px", marginRight: "-1px", pointerEvents: "none" },
  ".cm-peer-selection": { backgroundColor: "color-mix(in srgb, var(--peer) 25%, transparent)" },
  ".cm-peer-name": {
    position: "absolute",
    bottom: "100%",
    left: "-2px",
    padding: "0 4px",
    fontSize: "0.75em",
    lineHeight: "1.4",
    whiteSpace: "nowrap",
    color: "#fff",
    backgroundColor: "var(--peer)",
    borderRadius: "3px 3px 3px 0",
    // One on the first line would lie outside the editor: it is below there.
    zIndex: "1",
  },
  ".cm-peer-name:empty": { display: "none" },
  ".cm-line:first-child .cm-peer-name": { bottom: "auto", top: "100%", borderRadius: "0 3px 3px 3px" },
  ...Object.fromEntries(["#d6336c", "#3074c4", "#2e8555", "#bd540c", "#8158d6", "#13808f", "#b0418f", "#7a7100"].map((color, index) => [`.cm-peer-${index}`, { "--peer": color }])),
});

/**
 * Makes an editor show and edit `doc`. Give it with the editor's other extensions, and without `history()`: undo and redo
 * are the document's, and take back one's own edits only. Lines are parted by "\n" alone, so that every other character of
 * the text stays as it is. Until the document is ready, and where it may only be read, typing changes nothing.
 */
export const variorum = (doc: Doc, { state, typing = 2_000 }: CodeMirrorOptions = {}): Extension => {
  /** What one view has to do with the document. */
  class Binding {
    decorations: DecorationSet;
    readonly #stop: (() => void)[];
    #typing: ReturnType<typeof setTimeout> | undefined;
    #gone = false;
    #updating = false;

    constructor(readonly view: EditorView) {
      this.#stop = [doc.on("change", (change) => this.#changed(change)), doc.on("presence", () => this.#redraw())];
      this.decorations = drawn(doc.peers, view.state.doc.length);
      if (doc.version || doc.text) this.#repair();
    }

    update(update: ViewUpdate): void {
      let typed = false;
      for (const transaction of update.transactions) {
        if (!transaction.docChanged || transaction.annotation(fromDoc)) continue;
        typed = true;
        this.#edited(transaction.startState, transaction.changes);
      }
      this.decorations = drawn(doc.peers, update.state.doc.length);
      if (typed || update.selectionSet || update.focusChanged) this.#show(typed);
    }

    destroy(): void {
      this.#gone = true;
      clearTimeout(this.#typing);
      for (const stop of this.#stop) stop();
    }

    /** Tells the document what was typed. */
    #edited(before: EditorState, edited: ViewUpdate["changes"]): void {
      const changes: Change[] = [];
      let odd = false;
      const splits = (at: number) => splitsPair(before.sliceDoc(Math.max(at - 1, 0), at + 1), 1);
      edited.iterChanges((from, to, _from, _to, text) => {
        const insert = text.toString();
        odd ||= wellFormed(insert) !== insert || splits(from) || splits(to);
        changes.push({ from, to, insert });
      }, true);
      this.#updating = true;
      try {
        doc.edit(changes, this);
      } catch {
        // It was closed, or may only be read since a moment ago: the editor goes back to what it has.
        odd = true;
      }
      this.#updating = false;
      if (odd) this.#repair();
    }

    /** Shows what the document was changed by. */
    #changed({ changes, origin }: ChangeEvent): void {
      if (origin === this) return;
      // What a listener did to the document meanwhile; an editor takes nothing while it updates.
      if (this.#updating) this.#repair();
      else this.view.dispatch({ changes: [...changes], annotations: fromDoc.of(true) });
    }

    /** Puts the document's text into the editor once it can be changed, where they differ. */
    #repair(): void {
      queueMicrotask(() => {
        if (this.#gone) return;
        const before = this.view.state.doc.toString();
        const { text } = doc;
        if (before !== text) this.view.dispatch({ changes: difference(before, text), annotations: fromDoc.of(true) });
      });
    }

    #redraw(): void {
      this.view.dispatch({ annotations: fromDoc.of(true) });
    }

    /** Shows others where this user is. */
    #show(typed: boolean): void {
      const { view } = this;
      if (typed) {
        clearTimeout(this.#typing);
        this.#typing = setTimeout(() => {
          this.#typing = undefined;
          this.#show(false);
        }, typing);
      }
      const { ranges } = view.state.selection;
      const cursors = view.hasFocus ? ranges.map(({ anchor, head }) => [anchor, head] as const) : [];
      try {
        doc.presence.set({ ...state, cursors, typing: this.#typing !== undefined });
      } catch {
        // The editor is ahead of, or behind, the document until it is repaired.
      }
    }
  }

  const take = (back: boolean) => () => {
    if (back) doc.undo();
    else doc.redo();
    return true;
  };
  return [
    ViewPlugin.fromClass(Binding, { decorations: ({ decorations }) => decorations }),
    EditorState.lineSeparator.of("\n"),
    EditorState.changeFilter.of((transaction) => !!transaction.annotation(fromDoc) || (doc.sync !== "loading" && doc.sync !== "refused" && doc.access === "write")),
    EditorView.clipboardInputFilter.of((text) => text.replace(/\r\n?/g, "\n")),
    Prec.high(
      keymap.of([
        { key: "Mod-z", run: take(true), preventDefault: true },
        { key: "Mod-Shift-z", run: take(false), preventDefault: true },
        { key: "Mod-y", run: take(false), preventDefault: true },
      ]),
    ),
    EditorView.domEventHandlers({
      beforeinput: ({ inputType }) => (inputType === "historyUndo" ? take(true)() : inputType === "historyRedo" ? take(false)() : false),
    }),
    theme,
  ];
};
