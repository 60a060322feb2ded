/** Lets many use something side by side, or one alone: who is to be alone waits for the others and keeps later ones waiting. */
export class Turn {
  private users = 0
  private aloneUntil: Promise<void> | undefined
  private idle: (() => void) | undefined

  /** Runs work side by side with other such work. */
  async shared<T>(work: () => Promise<T>): Promise<T> {
    while (this.aloneUntil !== undefined) await this.aloneUntil
    this.users++
    try {
      return await work()
    } finally {
      this.users--
      if (this.users === 0) this.idle?.()
    }
  }

  /** Runs work while nobody else does anything here. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    while (this.aloneUntil !== undefined) await this.aloneUntil
    const ended = Promise.withResolvers<void>()
    this.aloneUntil = ended.promise
    try {
      if (this.users > 0) await new Promise<void>((resolve) => (this.idle = resolve))
      return await work()
    } finally {
      this.idle = undefined
      this.aloneUntil = undefined
      ended.resolve()
    }
  }
}
