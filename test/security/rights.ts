/** Checks of files, channels and commands. */
import { folder, gateway, MANY, OPEN, rights, type Row, rule, telegram } from "./facts.ts"

export const rightsOfOthers: ReadonlyArray<Row> = [
  ["state 0777", { stateDir: folder(0o777) }, ["critical fs.state_dir.perms_world_writable"], []],
  ["state 0770", { stateDir: folder(0o770) }, ["warn fs.state_dir.perms_group_writable"], []],
  ["state 0755", { stateDir: folder(0o755) }, ["warn fs.state_dir.perms_readable"], [{ stateDir: folder(0o711) }]],
  ["state, a link", { stateDir: folder(0o777, { kind: "link" }) }, ["warn fs.state_dir.symlink"], []],
  ["state, a file", { stateDir: rights(0o600) }, ["critical fs.state_dir.not_a_directory"], []],
  ["state of another", { stateDir: folder(0o700, { foreign: true }) }, ["critical fs.state_dir.owner"], []],
  ["configuration 0620", { configFile: rights(0o620) }, ["critical fs.config.perms_writable"], []],
  ["configuration 0644", { configFile: rights(0o644) }, ["critical fs.config.perms_world_readable"], []],
  ["configuration 0640", { configFile: rights(0o640) }, ["warn fs.config.perms_group_readable"], []],
  ["configuration, a link", { configFile: rights(0o777, { kind: "link" }) }, ["warn fs.config.symlink"], []],
  ["configuration of another", { configFile: rights(0o600, { foreign: true }) }, ["critical fs.config.owner"], []],
  [
    "a state file 0644",
    { stateFiles: [rights(0o644)] },
    ["warn fs.state_file.perms_readable"],
    [{ stateFiles: [rights(0o600), folder(0o700)] }]
  ],
  ["a state file 0660", { stateFiles: [rights(0o660)] }, ["critical fs.state_file.perms_writable"], []],
  ["a pipe for a file", { stateFiles: [rights(0o600, { kind: "other" })] }, ["critical fs.state_file.kind"], []],
  ["a link for a file", { stateFiles: [rights(0o777, { kind: "link" })] }, ["warn fs.state_file.symlink"], []],
  ["a state file of another", { stateFiles: [rights(0o600, { foreign: true })] }, ["critical fs.state_file.owner"], []],
  [
    "very many of them",
    { stateFiles: Array.from({ length: 30 }, () => rights(0o644)) },
    [...Array.from({ length: 20 }, () => "warn fs.state_file.perms_readable"), "warn fs.state_file.more"],
    []
  ],
  ["a key for all", { tlsKey: rights(0o644) }, ["critical gateway.tls_key_perms"], [{ tlsKey: rights(0o640) }]],
  ["an old certificate", { certificateValidTo: 999 }, ["warn gateway.tls_expired"], [{ certificateValidTo: 1001 }]],
  [
    "an open bot",
    telegram({ dmPolicy: "open" }),
    [...OPEN, MANY],
    [
      telegram({ dmPolicy: "pairing" }),
      telegram({ enabled: false, dmPolicy: "open" }),
      telegram({ dmPolicy: "open", allowFrom: [1] })
    ]
  ],
  ["a bot for everybody", telegram({ dmPolicy: "allowlist", allowFrom: ["*"] }), [...OPEN, MANY], []],
  [
    "an open bot with conversations apart",
    telegram({ allowFrom: ["tg:*"] }, { session: { dmScope: "per-channel-peer" } }),
    ["critical channels.telegram.dm.open", MANY],
    []
  ],
  [
    "people who share a conversation",
    telegram({ allowFrom: [1, 2] }),
    ["warn channels.telegram.dm.scope_main_multiuser"],
    [telegram({ allowFrom: [1] }), telegram({ allowFrom: [1, 2] }, { session: { dmScope: "per-peer" } })]
  ],
  [
    "an open account",
    telegram({ accounts: { work: { groupPolicy: "open" } } }),
    ["warn channels.telegram.group.open", MANY],
    [telegram({ accounts: { work: { enabled: false, groupPolicy: "open" } } })]
  ],
  [
    "a group where all may speak",
    telegram({ groups: { "-1": { allowFrom: ["*"] } } }),
    ["warn channels.telegram.group.open", MANY],
    [
      telegram({ groupPolicy: "disabled", groups: { "-1": { allowFrom: ["*"] } } }),
      telegram({ groups: { "-1": { allowFrom: ["*"], groupPolicy: "disabled" } } }),
      telegram({ groupPolicy: "allowlist" })
    ]
  ],
  [
    "an open group where groups are closed",
    telegram({ groupPolicy: "disabled", groups: { "-1": { groupPolicy: "open" } } }),
    ["warn channels.telegram.group.open", MANY],
    []
  ],
  [
    "a group that all groups' list holds for",
    telegram({ groups: { "*": { allowFrom: [1] }, "-1": { groupPolicy: "open" } } }),
    [MANY],
    []
  ],
  ["one person, written twice", telegram({ allowFrom: [1, "tg:1", " 1 "] }), [], []],
  ["a group", telegram({ allowFrom: [1], groups: { "-1": {} } }), [MANY], []],
  [
    "people by name",
    telegram({ allowFrom: ["@ada"] }),
    ["warn channels.telegram.allowFrom.mutable_entries_inert"],
    [telegram({ allowFrom: ["tg:1"], groupAllowFrom: [2] })]
  ],
  [
    "an owner who is everybody",
    { config: { commands: { ownerAllowFrom: ["*"] } } },
    ["warn commands.owner_wildcard"],
    [{ config: { commands: { ownerAllowFrom: ["telegram:1"] } } }]
  ],
  [
    "dangerous commands",
    gateway({ nodes: { commands: { allow: ["camera.snap", "system.which"] }, allowCommands: ["sms.send"] } }),
    ["warn gateway.nodes.allow_commands_dangerous"],
    [gateway({ nodes: { commands: { allow: ["system.which", "camera.snap"], deny: ["camera.snap"] } } })]
  ],
  [
    "dangerous commands, from the tailnet",
    gateway({ bind: "tailnet", nodes: { commands: { allow: ["camera.snap"] } } }),
    ["critical gateway.nodes.allow_commands_dangerous", "info gateway.bind_exposed"],
    []
  ],
  [
    "a pattern that denies nothing",
    gateway({ nodes: { commands: { deny: ["system.*", "rm -rf"] } } }),
    ["warn gateway.nodes.deny_commands_ineffective"],
    [gateway({ nodes: { commands: { deny: ["system.run"] } } })]
  ],
  [
    "tools over HTTP",
    gateway({ tools: { allow: ["exec"] } }),
    ["warn gateway.tools_invoke_http.dangerous_allow"],
    [gateway({ tools: { allow: ["sessions_list"] } })]
  ],
  [
    "every program, when somebody agrees",
    { execRules: rule({ security: "full", ask: "always" }) },
    ["warn tools.exec.security_full_configured"],
    [{ execRules: rule({}) }]
  ],
  [
    "every program, unasked",
    { execRules: rule({ security: "full", ask: "off" }) },
    ["critical tools.exec.security_full_configured"],
    []
  ],
  [
    "every program, for strangers",
    { ...telegram({ dmPolicy: "open" }), execRules: rule({ security: "full" }) },
    [
      OPEN[0]!,
      "critical tools.exec.security_full_configured",
      "critical security.exposure.open_channels_with_exec",
      OPEN[1]!,
      MANY
    ],
    []
  ],
  [
    "programs of skills",
    { execRules: rule({ autoAllowSkills: true }) },
    ["warn tools.exec.auto_allow_skills_enabled"],
    []
  ],
  [
    "a switch of somebody else's",
    { dangerousFlags: ["gateway.controlUi.dangerouslyX"] },
    ["warn config.insecure_or_dangerous_flags"],
    []
  ]
]
