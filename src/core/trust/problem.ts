/** Something in a trust file that keeps it from being put in force. */
export interface TrustProblem {
  /** names of members and indexes of items */
  readonly path: readonly (string | number)[]
  /** what is wrong, without capital and full stop */
  readonly message: string
  /** the edit that helps */
  readonly suggestion?: string
  /** set where the last name of the path is wrong, not what stands under it */
  readonly onName?: true
  /** where in the text at the path; both count from 1 */
  readonly inText?: { readonly line: number; readonly column: number }
}

/** Takes what is wrong, as a check goes through a file. */
export type Report = (
  path: readonly (string | number)[],
  message: string,
  more?: Pick<TrustProblem, 'suggestion' | 'onName' | 'inText'>
) => void
