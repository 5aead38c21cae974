/**
 * This program's version, as `--version`, `hello-ok.server.version` and `connect` show it. Kept equal to package.json by a test.
 */
export const VERSION = "0.1.0"
