/** Who is here: faces in the header, names in a list, and one's own name to change. */

import { useEffect, useRef, useState } from "react";
import { initials, type Person } from "./people.js";
import { name } from "./settings.js";
import { say } from "./said.js";
import { useShared } from "./shared.js";

/** Faces shown in the header; the others are a number. */
const FACES = 4;

const Face = ({ person }: { person: Person }) => (
  <span className={`face peer-${person.color}`} data-initials={initials(person.name)} data-typing={person.typing || undefined} aria-hidden="true" />
);

export interface PresenceProps {
  readonly people: readonly Person[];
  /** How many are here, those included whom the server does not name. */
  readonly count: number;
  /** Scrolls to where a person is. */
  readonly onFind: (person: Person) => void;
}

export const Presence = ({ people, count, onFind }: PresenceProps) => {
  useTelling(people);
  if (!count) return null;
  const faces = people.slice(0, people.length > FACES ? FACES - 1 : FACES);
  const more = Math.max(count, people.length) - faces.length;
  return (
    <>
      <button type="button" className="faces" popoverTarget="people" aria-label={count === 1 ? "People here: you alone" : `People here: ${count}`}>
        {faces.map((person) => (
          <Face key={person.id} person={person} />
        ))}
        {more > 0 && <span className="face more" data-initials={`+${more}`} aria-hidden="true" />}
      </button>
      <div id="people" popover="auto" className="sheet" role="dialog" aria-label="People here">
        <h2>{count === 1 ? "Nobody else is here" : `${count} people are here`}</h2>
        <ul className="people">
          {people.map((person) => (
            <li key={person.id}>
              <Face person={person} />
              {person.you ? (
                <OwnName />
              ) : (
                <>
                  <button type="button" className="person" disabled={!person.placed} title={person.placed ? "Go to where they are" : undefined} onClick={() => onFind(person)}>
                    <bdi>{person.name || "Someone"}</bdi>
                  </button>
                  {person.typing && <span className="typing">typing…</span>}
                </>
              )}
            </li>
          ))}
        </ul>
        {more > 0 && people.length < count && <p className="hint">and {count - people.length} more</p>}
      </div>
    </>
  );
};

const OwnName = () => {
  const shown = useShared(name);
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  const save = () => {
    const chosen = text.trim().slice(0, 64);
    if (chosen) name.value = chosen;
    else setText(shown);
  };
  return (
    <form
      className="own-name"
      onSubmit={(event) => {
        event.preventDefault();
        save();
        say(`You are ${text.trim() || shown}`, false);
      }}
    >
      <input value={text} maxLength={64} aria-label="Your name" autoComplete="nickname" onChange={(event) => setText(event.target.value)} onBlur={save} />
      <span className="hint">you</span>
    </form>
  );
};

/** Tells a screen reader who came and went. */
const useTelling = (people: readonly Person[]) => {
  const before = useRef(people);
  useEffect(() => {
    const [old, now] = [before.current, people].map((list) => new Map(list.filter(({ you }) => !you).map(({ id, name }) => [id, name || "Someone"])));
    // All at once is a connection that came or went, and nobody's doing.
    const quiet = !before.current.length || !people.length;
    before.current = people;
    if (quiet) return;
    const came = [...now!].flatMap(([id, name]) => (old!.has(id) ? [] : [`${name} is here`]));
    const went = [...old!].flatMap(([id, name]) => (now!.has(id) ? [] : [`${name} left`]));
    if (came.length + went.length) say([...came, ...went].slice(0, 3).join(", "), false);
  }, [people]);
};

/** Who types, in a few words. */
export const Typing = ({ people }: { people: readonly Person[] }) => {
  const names = people.filter(({ typing, you }) => typing && !you).map(({ name }) => name || "Someone");
  const [first, second] = names;
  if (!first) return null;
  return (
    <p className="typing" aria-hidden="true">
      <span className="dots">
        <i />
        <i />
        <i />
      </span>
      {names.length === 1 ? <bdi>{first}</bdi> : names.length === 2 ? `${first} and ${second}` : `${names.length} people`}
    </p>
  );
};
