/** The text of a document in CodeMirror, with everyone's cursors. */

import { useEffect, useRef } from "react";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { defaultKeymap } from "@codemirror/commands";
import { search, searchKeymap } from "@codemirror/search";
import type { Doc } from "variorum";
import { variorum } from "variorum/codemirror";

/** The word that lets the editor's styles through the page's content security policy. */
const nonce = document.querySelector<HTMLMetaElement>("meta[property=csp-nonce]")?.nonce ?? "";

export interface EditorProps {
  readonly doc: Doc;
  readonly writable: boolean;
  /** Is given the view while there is one. */
  readonly onView: (view: EditorView | null) => void;
}

export const Editor = ({ doc, writable, onView }: EditorProps) => {
  const place = useRef<HTMLDivElement>(null);
  const rights = useRef(new Compartment());
  const view = useRef<EditorView>(null);
  const allow = (yes: boolean) => [
    EditorState.readOnly.of(!yes),
    EditorView.contentAttributes.of({ "aria-label": `Text of ${doc.id}`, "aria-multiline": "true", tabindex: "0", spellcheck: "true", autocapitalize: "sentences", ...(!yes && { "aria-readonly": "true" }) }),
  ];
  useEffect(() => {
    const editor = new EditorView({
      doc: doc.text,
      parent: place.current!,
      extensions: [
        EditorView.cspNonce.of(nonce),
        variorum(doc),
        EditorView.lineWrapping,
        placeholder("Write something. Everyone with the address sees it as you type."),
        search({ top: true }),
        // Tab is left to the browser: it leads out of the text, as whoever has no mouse expects.
        keymap.of([...searchKeymap, ...defaultKeymap]),
        rights.current.of(allow(writable)),
      ],
    });
    view.current = editor;
    onView(editor);
    if (!matchMedia("(pointer: coarse)").matches) editor.focus();
    return () => {
      view.current = null;
      onView(null);
      editor.destroy();
    };
  }, [doc]);
  useEffect(() => view.current?.dispatch({ effects: rights.current.reconfigure(allow(writable)) }), [doc, writable]);
  return <div className="editor" ref={place} />;
};
