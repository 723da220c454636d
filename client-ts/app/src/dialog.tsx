/** A modal dialog, of the browser's own: it keeps the focus inside, and Escape closes it. */

import { useId, useLayoutEffect, useRef, type ReactNode } from "react";
import { Icon } from "./icons.js";

export const Dialog = ({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) => {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  // Before it is taken away, so that the focus goes back to where it came from.
  useLayoutEffect(() => {
    const shown = dialog.current!;
    shown.showModal();
    return () => shown.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      // A click on what lies around it is one on the dialog itself.
      onClick={(event) => event.target === event.currentTarget && onClose()}
    >
      <div className="dialog">
        <header>
          <h2 id={heading}>{title}</h2>
          <button type="button" className="quiet" aria-label="Close" onClick={onClose}>
            <Icon of="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
};
