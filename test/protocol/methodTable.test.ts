import { assert, it } from "@effect/vitest"
import { accessOf, methodNames } from "../../src/protocol/MethodTable.ts"

it("a method that is not in the table is for admins", () => {
  assert.strictEqual(accessOf("foo.bar"), "operator.admin")
  assert.strictEqual(accessOf("health"), "any")
  assert.include(methodNames, "node.invoke")
})
