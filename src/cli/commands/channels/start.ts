export { start as run } from "./account.ts"
