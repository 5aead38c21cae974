/**
 * The supervision tree as a tree: `channels/telegram/default` stands under `channels`, under `telegram`.
 */
import type { SupervisedFiber } from "../protocol/methods/system.ts"
import { ago, plain } from "./output.ts"
import { displayWidth } from "./width.ts"

interface Branch {
  readonly children: Map<string, Branch>
  fiber?: SupervisedFiber
}

const grow = (fibers: ReadonlyArray<SupervisedFiber>): Branch => {
  const root: Branch = { children: new Map() }
  for (const fiber of fibers) {
    let branch = root
    for (const step of fiber.name.split("/")) {
      const next: Branch = branch.children.get(step) ?? { children: new Map() }
      branch.children.set(step, next)
      branch = next
    }
    branch.fiber = fiber
  }
  return root
}

interface Line {
  readonly label: string
  readonly fiber: SupervisedFiber | undefined
}

const flatten = (branch: Branch, indent: string): ReadonlyArray<Line> => {
  const steps = [...branch.children]
  return steps.flatMap(([step, child], index) => {
    const isLast = index === steps.length - 1
    return [
      { label: `${indent}${isLast ? "└─ " : "├─ "}${plain(step)}`, fiber: child.fiber },
      ...flatten(child, `${indent}${isLast ? "   " : "│  "}`)
    ]
  })
}

const firstLine = (text: string): string => plain(text.trim().split("\n", 1)[0] ?? "")

const detail = (fiber: SupervisedFiber, now: number): string =>
  [
    fiber.state.padEnd(7),
    `since ${ago(now, fiber.since)}`,
    ...(fiber.detail === undefined ? [] : [plain(fiber.detail)]),
    fiber.restarts === 1 ? "1 restart" : `${fiber.restarts} restarts`,
    ...(fiber.lastCause === undefined ? [] : [`last cause: ${firstLine(fiber.lastCause)}`])
  ].join("  ")

/** One line per fiber under a heading line; times as ages. `now` is Unix milliseconds. */
export const supervisionTree = (fibers: ReadonlyArray<SupervisedFiber>, now: number): string => {
  if (fibers.length === 0) return "Gateway\n└─ (nothing is supervised)"
  const lines = flatten(grow(fibers), "")
  const width = Math.max(...lines.map(({ label }) => displayWidth(label)))
  return [
    "Gateway",
    ...lines.map(({ fiber, label }) =>
      fiber === undefined ? label : `${label}${" ".repeat(width - displayWidth(label))}  ${detail(fiber, now)}`
    )
  ].join("\n")
}
