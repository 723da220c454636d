/** Listeners by name, typed by a map from event names to what is said. */

/** Something that can be listened to. */
export interface Events<Map> {
  /** Calls `listener` at each event of this name, and gives the function that stops it. */
  on<Name extends keyof Map>(event: Name, listener: (said: Map[Name]) => void): () => void;
}

/** The side that speaks. */
export interface Emitter<Map> extends Events<Map> {
  emit<Name extends keyof Map>(event: Name, said: Map[Name]): void;
}

export const createEmitter = <Map>(): Emitter<Map> => {
  const listeners: { [Name in keyof Map]?: Set<(said: Map[Name]) => void> } = Object.create(null);
  return {
    on(event, listener) {
      // Wrapped, so that a function given twice is called twice and each undo takes back its own.
      const own = (said: Map[typeof event]) => listener(said);
      (listeners[event] ??= new Set()).add(own);
      return () => void listeners[event]?.delete(own);
    },
    emit(event, said) {
      for (const listener of [...(listeners[event] ?? [])]) {
        try {
          listener(said);
        } catch (error) {
          // One listener's fault is not the others'; it surfaces as an uncaught error.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    },
  };
};
