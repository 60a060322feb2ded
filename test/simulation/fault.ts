/** Mistakes that can be planted, to see that the oracle finds them. */
export type Fault =
  | 'sign-before-fsync'
  | 'sign-again-unsynced'
  | 'accept-unproven'
  | 'keep-refused'
  | 'serve-refused'
  | 'append-after-one-sync'
  | 'announce-refused'
  | 'forward-refused'
  | 'believe-unsigned'
  | 'forget-offer'
  | 'resume-unproven'
