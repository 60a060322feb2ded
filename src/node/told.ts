/** Those who want to be told of one kind of thing. */
export class Told<T> {
  private readonly listeners = new Set<(what: T) => void>()

  /** Calls back from now on. Returns how to stop it. */
  on(listener: (what: T) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** Tells everybody. */
  tell(what: T): void {
    for (const listener of this.listeners) listener(what)
  }
}
