/** What can be done with a document besides writing in it, and how it looks. */

import { openSearchPanel } from "@codemirror/search";
import type { EditorView } from "@codemirror/view";
import type { Doc } from "variorum";
import { Icon } from "./icons.js";
import { copy, say } from "./said.js";
import { letters, theme, type Theme } from "./settings.js";
import { useShared } from "./shared.js";

const THEMES: readonly Theme[] = ["system", "light", "dark"];

/** Hands a text to the browser as a file. */
const download = (text: string, name: string): void => {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
  say(`${name} downloaded`);
};

export const Menu = ({ doc, view, onHistory }: { doc: Doc; view: EditorView | null; onHistory: () => void }) => {
  const mono = useShared(letters) === "mono";
  /** Does something, and closes the menu. */
  const item = (act: () => void) => () => {
    document.getElementById("menu")?.hidePopover();
    act();
  };
  return (
    <>
      <button type="button" className="quiet" popoverTarget="menu" aria-label="More">
        <Icon of="more" />
      </button>
      <div id="menu" popover="auto" className="sheet menu" role="dialog" aria-label="More">
        <button type="button" onClick={item(() => view && openSearchPanel(view))}>
          <Icon of="search" /> Find and replace
        </button>
        <button type="button" onClick={item(onHistory)}>
          <Icon of="history" /> History
        </button>
        <button type="button" onClick={item(() => void copy(doc.text, "The text"))}>
          <Icon of="copy" /> Copy the text
        </button>
        <button type="button" onClick={item(() => download(doc.text, `${doc.id}.txt`))}>
          <Icon of="download" /> Download
        </button>
        <hr />
        <Looks mono={mono} />
      </div>
    </>
  );
};

const Looks = ({ mono }: { mono: boolean }) => (
  <>
    <label className="choice">
      <input type="checkbox" checked={mono} onChange={() => (letters.value = mono ? "serif" : "mono")} /> Letters of one width
    </label>
    <ThemeChoice />
  </>
);

/** Light, dark, or as the system has it. */
export const ThemeChoice = () => {
  const chosen = useShared(theme);
  return (
    <fieldset className="segments">
      <legend>Colours</legend>
      {THEMES.map((each) => (
        <label key={each}>
          <input type="radio" name="theme" checked={chosen === each} onChange={() => (theme.value = each)} />
          <span>{{ system: "System", light: "Light", dark: "Dark" }[each]}</span>
        </label>
      ))}
    </fieldset>
  );
};
