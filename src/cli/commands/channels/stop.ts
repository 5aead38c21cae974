export { stop as run } from "./account.ts"
