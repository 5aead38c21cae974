/** Checks of credentials, networks and proxies. */
import { gateway, proxied, type Row } from "./facts.ts"

export const openings: ReadonlyArray<Row> = [
  [
    "lan without a credential",
    gateway({ bind: "lan" }, { auth: { mode: "none" } }),
    ["critical gateway.bind_no_auth", "warn gateway.bind_no_tls", "info gateway.bind_exposed"],
    [gateway({ bind: "loopback" })]
  ],
  ["loopback without one", { auth: { mode: "none" } }, ["critical gateway.loopback_no_auth"], [{}]],
  [
    "the HTTP API without one",
    gateway({ http: { endpoints: { chatCompletions: { enabled: true } } } }, { auth: { mode: "none" } }),
    [
      "critical gateway.loopback_no_auth",
      "warn gateway.http.no_auth",
      "info gateway.http.session_key_override_enabled"
    ],
    [gateway({ http: { endpoints: { chatCompletions: { enabled: false } } } })]
  ],
  [
    "a credential that cannot be had",
    { auth: { mode: "token", unresolved: "gateway.auth.token: HOME_TOKEN is not set" } },
    ["critical gateway.auth_unresolved"],
    [{ auth: { mode: "token", source: "generated" } }]
  ],
  [
    "a secret in the list of processes",
    { secretFlags: ["--token"] },
    ["critical gateway.secret_in_argv"],
    [{ secretFlags: [] }]
  ],
  [
    "lan over TLS of its own",
    gateway({ bind: "lan", tls: { enabled: true } }),
    ["info gateway.bind_exposed", "info gateway.tls_self_signed"],
    [gateway({ tls: { enabled: true } })]
  ],
  [
    "lan over TLS of an authority",
    gateway({ bind: "lan", tls: { enabled: true, certPath: "c", keyPath: "k" } }),
    ["info gateway.bind_exposed"],
    [gateway({ bind: "auto" })]
  ],
  ["tailnet", gateway({ bind: "tailnet" }), ["info gateway.bind_exposed"], []],
  [
    "custom",
    gateway({ bind: "custom", customBindHost: "203.0.113.9" }),
    ["warn gateway.bind_no_tls", "info gateway.bind_exposed"],
    ["127.0.0.1", "127.9.9.9", "[::1]", "::1", "[::ffff:127.0.0.1]", " LocalHost "].map((customBindHost) =>
      gateway({ bind: "custom", customBindHost })
    )
  ],
  ...["::", "[::]", "0.0.0.0", "::ffff:192.0.2.1", "fe80::1%eth0", "::1%lo", "127.1", "gateway.example", ""].map(
    (customBindHost) =>
      [
        `custom ${JSON.stringify(customBindHost)}`,
        gateway({ bind: "custom", customBindHost }),
        ["warn gateway.bind_no_tls", "info gateway.bind_exposed"],
        []
      ] as const
  ),
  [
    "every origin",
    gateway({ controlUi: { allowedOrigins: ["*"] } }),
    ["warn gateway.control_ui.allowed_origins_wildcard"],
    [gateway({ controlUi: { allowedOrigins: ["https://*.example"] } })]
  ],
  [
    "every origin, from everywhere",
    gateway({ bind: "tailnet", controlUi: { allowedOrigins: ["*"] } }),
    ["critical gateway.control_ui.allowed_origins_wildcard", "info gateway.bind_exposed"],
    []
  ],
  [
    "an origin that anybody can have",
    gateway({ controlUi: { allowedOrigins: ["null", "file://"] } }),
    ["warn gateway.control_ui.allowed_origins_opaque"],
    []
  ],
  [
    "a page without TLS",
    gateway({ controlUi: { allowedOrigins: ["http://ui.example"] } }),
    ["warn gateway.control_ui.allowed_origins_plaintext"],
    [
      gateway({
        controlUi: {
          allowedOrigins: ["https://ui.example", "http://localhost:3000", "http://[::1]:3000", "http://127.0.0.1"]
        }
      })
    ]
  ],
  [
    "a short token",
    { auth: { mode: "token", secretLength: 23 } },
    ["warn gateway.token_too_short"],
    [{ auth: { mode: "token", secretLength: 24 } }]
  ],
  [
    "a placeholder",
    { auth: { mode: "password", secretLength: 4, placeholder: true, source: "environment" } },
    ["critical gateway.password_placeholder_value", "info gateway.password_in_environment"],
    []
  ],
  [
    "a token in the environment",
    { auth: { mode: "token", secretLength: 48, source: "environment" } },
    ["info gateway.token_in_environment"],
    []
  ],
  [
    "a password in the file",
    { auth: { mode: "password", secretLength: 30, source: "config" } },
    ["warn config.secrets.gateway_password_in_config"],
    []
  ],
  [
    "Funnel",
    gateway({ tailscale: { mode: "funnel" } }),
    ["critical gateway.tailscale_funnel"],
    [gateway({ tailscale: { mode: "off" } })]
  ],
  [
    "Serve",
    gateway({ tailscale: { mode: "serve" } }),
    ["info gateway.tailscale_serve", "info gateway.auth_tailscale_identity"],
    [gateway({ auth: { allowTailscale: true } })]
  ],
  [
    "Serve with a password",
    gateway({ tailscale: { mode: "serve" } }, { auth: { mode: "password", secretLength: 30 } }),
    ["info gateway.tailscale_serve"],
    []
  ],
  [
    "Serve without identities",
    gateway({ tailscale: { mode: "serve" }, auth: { allowTailscale: false } }),
    ["info gateway.tailscale_serve"],
    []
  ],
  [
    "mDNS tells much",
    { config: { discovery: { mdns: { mode: "full" } } } },
    ["warn discovery.mdns_full_mode"],
    [
      { config: { discovery: { mdns: { mode: "minimal" } } } },
      { config: { discovery: { mdns: { mode: "full" } }, plugins: { entries: { bonjour: { enabled: false } } } } }
    ]
  ],
  [
    "mDNS tells much, to others",
    { config: { discovery: { mdns: { mode: "full" } }, gateway: { bind: "tailnet" } } },
    ["critical discovery.mdns_full_mode", "info gateway.bind_exposed"],
    []
  ],
  [
    "a remote Gateway without TLS",
    gateway({ mode: "remote", remote: { url: "ws://gateway.example:18789" } }),
    ["warn gateway.remote_plaintext"],
    [
      gateway({ mode: "remote", remote: { url: "ws://127.0.0.1:18789" } }),
      gateway({ mode: "remote", remote: { url: "ws://gateway.example", transport: "ssh", sshTarget: "h" } }),
      gateway({ mode: "local", remote: { url: "ws://gateway.example" } }),
      gateway({ mode: "remote", remote: { url: "not a url" } })
    ]
  ],
  [
    "a remote Gateway without a pin",
    gateway({ mode: "remote", remote: { url: "wss://192.0.2.7:18789" } }),
    ["info gateway.remote_tls_unpinned"],
    [
      gateway({ mode: "remote", remote: { url: "wss://192.0.2.7:18789", tlsFingerprint: "ab" } }),
      gateway({ mode: "remote", remote: { url: "wss://gateway.example" } })
    ]
  ],
  [
    "wide proxies",
    gateway({ trustedProxies: ["0.0.0.0/0", "::/0"] }),
    ["critical gateway.trusted_proxies_wide"],
    [gateway({ trustedProxies: ["10.0.0.0/8", "192.0.2.1", "fd00::/16"] })]
  ],
  [
    "proxies on this machine",
    gateway({ trustedProxies: ["127.0.0.1", "::1"] }),
    ["warn gateway.trusted_proxies_loopback"],
    []
  ],
  [
    "X-Real-IP",
    gateway({ allowRealIpFallback: true }),
    ["warn gateway.real_ip_fallback_enabled"],
    [gateway({ allowRealIpFallback: false })]
  ],
  [
    "X-Real-IP from others",
    gateway({ bind: "tailnet", allowRealIpFallback: true }),
    ["critical gateway.real_ip_fallback_enabled", "info gateway.bind_exposed"],
    []
  ],
  [
    "a proxy that lets in, without anything",
    proxied({}),
    [
      "critical gateway.trusted_proxy_auth",
      "critical gateway.trusted_proxy_no_proxies",
      "critical gateway.trusted_proxy_no_user_header",
      "warn gateway.trusted_proxy_no_allowlist"
    ],
    []
  ],
  [
    "a proxy that lets in",
    proxied({
      trustedProxies: ["192.0.2.1"],
      auth: { trustedProxy: { userHeader: "x-user", allowUsers: ["ada"], allowLoopback: true } }
    }),
    ["critical gateway.trusted_proxy_auth", "warn gateway.trusted_proxy_allow_loopback"],
    [gateway({ auth: { trustedProxy: { allowLoopback: true } } })]
  ],
  [
    "logins that are administrators",
    gateway({ auth: { identityScopes: { "ada@example.com": ["operator.admin"] } } }),
    ["info gateway.auth_identity_scopes_admin"],
    [gateway({ auth: { identityScopes: { "ada@example.com": ["operator.read"] } } })]
  ]
]
