export { logout as run } from "./account.ts"
