export { ForgeFollower } from './follow.ts'
export { type ForgeArgs, forgeStatus, forgeVerb } from './forge-verb.ts'
export { decideAtForges, heldAtForges, splitWords } from './forge-triage.ts'
