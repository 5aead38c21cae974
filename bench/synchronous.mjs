/**
 * Preloaded into a measured Gateway: its database commits without waiting for the disk, which no Gateway in use may do. The
 * difference to the unchanged one is what durability costs.
 */
import { DatabaseSync } from "node:sqlite"

const { exec } = DatabaseSync.prototype
const wanted = process.env["BENCH_SYNCHRONOUS"]

DatabaseSync.prototype.exec = function (sql) {
  return exec.call(this, sql.replace(/synchronous = FULL/i, `synchronous = ${wanted}`))
}
