/** This machine on its network. */
import { networkInterfaces } from "node:os"

/** The first address by which others on the network may reach this machine. */
export const lanAddress = (): string | undefined =>
  Object.values(networkInterfaces())
    .flat()
    .find((address) => address !== undefined && !address.internal && address.family === "IPv4")?.address
