/**
 * How people are let in: without a secret, with a weak one, or with one that lies about.
 */
import { type AuthFacts, type Facts, type Finding, finding, isExposed, isRemote, when } from "./Finding.ts"

/** Characters below which a shared secret can be guessed with patience. */
const SHORT_SECRET = 24
const MAKE = "make one with `openssl rand -hex 32`"

const none = ({ config }: Facts): ReadonlyArray<Finding> => {
  const gateway = config.gateway ?? {}
  const exposed = isExposed(gateway)
  const remote = isRemote(gateway)
  return [
    exposed
      ? finding(
          "gateway.bind_no_auth",
          "critical",
          "Other machines could come in without a credential",
          `gateway.bind is "${gateway.bind}" and gateway.auth.mode is "none"; the Gateway refuses to start so.`,
          'set gateway.auth.mode to "token"'
        )
      : finding(
          "gateway.loopback_no_auth",
          "critical",
          "No credential is asked for on this machine",
          'gateway.auth.mode is "none": every program and user here is an operator, and everyone else too once a proxy or a tunnel leads here.',
          'set gateway.auth.mode to "token"'
        ),
    ...when(
      gateway.http?.endpoints?.chatCompletions?.enabled === true,
      finding(
        "gateway.http.no_auth",
        remote ? "critical" : "warn",
        "The HTTP API answers without a credential",
        "gateway.http.endpoints.chatCompletions is enabled without authentication.",
        'set gateway.auth.mode to "token", or disable the endpoint'
      )
    )
  ]
}

const secret = (
  mode: "token" | "password",
  { placeholder, secretLength, source }: AuthFacts
): ReadonlyArray<Finding> => {
  const variable = `OPENCLAW_GATEWAY_${mode.toUpperCase()}`
  const path = source === "environment" ? variable : `gateway.auth.${mode}`
  const short = placeholder !== true && secretLength !== undefined && secretLength < SHORT_SECRET
  return [
    ...when(
      placeholder === true,
      finding(
        `gateway.${mode}_placeholder_value`,
        "critical",
        `The ${mode} is a word that a script left behind`,
        `${path} is "undefined" or "null"; the Gateway refuses to start so.`,
        MAKE
      )
    ),
    ...when(
      short,
      finding(
        `gateway.${mode}_too_short`,
        "warn",
        `The ${mode} is short`,
        `${path} has ${secretLength} characters; ${SHORT_SECRET} or more are hard to guess.`,
        MAKE
      )
    ),
    ...when(
      mode === "password" && source === "config",
      finding(
        "config.secrets.gateway_password_in_config",
        "warn",
        "The password stands in the configuration",
        "gateway.auth.password is in the file, and in every copy of it.",
        "put it into OPENCLAW_GATEWAY_PASSWORD"
      )
    ),
    ...when(
      source === "environment",
      finding(
        `gateway.${mode}_in_environment`,
        "info",
        `The ${mode} is in the environment`,
        `${variable} is handed to every program that this shell starts.`,
        `keep it to the Gateway's own service, or store it as gateway.auth.${mode}`
      )
    )
  ]
}

export const authentication = (facts: Facts): ReadonlyArray<Finding> => {
  const { auth, secretFlags = [] } = facts
  return [
    ...when(
      auth.unresolved !== undefined,
      finding(
        "gateway.auth_unresolved",
        "critical",
        "The Gateway does not start: how it lets people in cannot be decided",
        auth.unresolved ?? "",
        "correct what is named there; no Gateway runs with another credential in its place"
      )
    ),
    ...when(
      secretFlags.length > 0,
      finding(
        "gateway.secret_in_argv",
        "critical",
        "Every user of this machine can read the secret in the list of processes",
        `the Gateway that runs was started with ${secretFlags.join(" and ")}.`,
        "restart it without, and store the secret in the configuration or the environment; then take another one"
      )
    ),
    ...(auth.unresolved !== undefined || auth.mode === "trusted-proxy"
      ? []
      : auth.mode === "none"
        ? none(facts)
        : secret(auth.mode, auth))
  ]
}
