/** This machine on its network. */
import { networkInterfaces } from "node:os"
import * as Ip from "../../domain/IpAddress.ts"

/** The first IPv4 address by which others on the network may reach this machine. */
export const lanAddress = (accept: (address: Ip.IpAddress) => boolean = () => true): string | undefined =>
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find((found) => {
      const address = found.internal || found.family !== "IPv4" ? undefined : Ip.parse(found.address)
      return address !== undefined && accept(address)
    })?.address
