/**
 * Programs that run what their arguments, their input or their configuration say: having one on a list says nothing about
 * what it will run.
 *
 * They are known by name. The list has the ones that are widely installed; it cannot be complete, and a copy under another
 * name is not recognised. Whoever lists a program answers for all that it can do.
 */
import type { Executable } from "./executable.ts"

const shells =
  "sh ash bash rbash dash zsh ksh ksh93 mksh lksh oksh pdksh yash posh fish csh tcsh hush elvish nu xonsh rc es osh cmd powershell pwsh wsl"

const interpreters =
  "python pypy ipython perl ruby jruby irb node nodejs deno bun bunx tsx ts-node npm npx yarn pnpm pnpx corepack uv uvx pip pipx poetry php lua luajit tclsh wish expect guile racket clisp sbcl ecl ghci runghc runhaskell ocaml java jshell groovy scala kotlin dotnet julia octave r rscript erl elixir iex m4 bc dc gem bundle bundler cscript wscript osascript rundll32 mshta regsvr32 msbuild gnuplot"

const textTools =
  "awk gawk mawk nawk original-awk sed ed ex find fd fdfind xargs parallel sort split rg ack bat batcat fzf entr rush gfind gxargs gsed gsort gsplit"

const editorsAndPagers =
  "vi vim vimdiff nvim view rview rvim gvim emacs emacsclient nano pico joe jed mcedit mc ranger less lesspipe more most pg man info w3m lynx links mutt tig screen tmux byobu zellij xterm konsole gnome-terminal x-terminal-emulator"

const wrappers =
  "env genv sudo sudoedit doas su runuser pkexec sg newgrp nice gnice ionice chrt taskset nohup gnohup timeout gtimeout stdbuf gstdbuf setsid setarch linux32 linux64 i386 x86_64 uname26 flock time gtime command watch watchexec script unbuffer xvfb-run dbus-launch dbus-run-session unshare nsenter chroot gchroot fakeroot fakechroot proot bwrap firejail nsjail capsh setpriv prlimit numactl cgexec runcon eatmydata catchsegv faketime systemd-run systemd-nspawn systemd-inhibit start-stop-daemon daemonize run-parts at batch crontab visudo vipw logrotate ip systemctl busctl gtk-launch xdg-open open start forfiles schtasks wmic launchctl install ginstall wine"

const debuggers = "gdb gdbserver lldb strace ltrace perf valgrind rr bpftrace tcpdump nmap"

const builders =
  "make gmake bmake cmake ctest ninja meson scons bazel gradle gradlew mvn ant rake just task cargo rustc rustup go gcc cc g++ c++ clang clang++ cpp ld tex latex pdftex pdflatex lualatex xelatex dpkg dpkg-buildpackage apt apt-get apt-key aptitude yum dnf rpm rpmbuild pacman apk brew snap flatpak nix nix-shell nix-env guix"

const transports =
  "git hg svn cvs fossil tar gtar bsdtar zip cpio rsync scp sftp ssh slogin ssh-keygen sshpass mosh autossh telnet ftp lftp socat nc ncat netcat wget openssl"

const runners =
  "docker podman nerdctl buildah ctr crictl kubectl oc helm k3s minikube lxc incus vagrant ansible salt-call puppet chef-client terraform tofu pulumi"

const databases = "sqlite sqlite3 psql mysql mariadb mongo mongosh redis-cli"

/** Several programs in one, which run the one that they are called as. */
const MULTI_CALL = /^(?:busybox|toybox|coreutils)/

const FAMILIES = [
  MULTI_CALL,
  // The dynamic loader starts any program that it is given.
  /^ld(?:-.*)?\.so/,
  /^ld-(?:linux|musl)/,
  /^qemu-/,
  /^ansible-/,
  /^lxc-/
]

const known: ReadonlySet<string> = new Set(
  [
    shells,
    interpreters,
    textTools,
    editorsAndPagers,
    wrappers,
    debuggers,
    builders,
    transports,
    runners,
    databases
  ].flatMap((names) => names.split(" "))
)

const baseName = (path: string) => path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1)

/** A name as it is, and without what systems add to it: `cmd.exe`, `python3.11`, `gcc-12`, `vim.tiny`, `bash-static`. */
const plainNames = (path: string): ReadonlyArray<string> => {
  const name = baseName(path).toLowerCase()
  const [stem = name] = name.split(".")
  return [name, stem, stem.replace(/-(?:static|dbg)$/, "").replace(/-?\d+[a-z]?$/, "")]
}

const isKnown = (path: string): boolean =>
  plainNames(path).some((name) => known.has(name) || FAMILIES.some((family) => family.test(name)))

type Found = Pick<Executable, "path" | "realPath">

const isMultiCall = (path: string) => MULTI_CALL.test(baseName(path).toLowerCase())

/** Whether the file is several programs in one, called as one of them: it is what its path says, not what its file is. */
export const isApplet = ({ path, realPath }: Found): boolean => isMultiCall(realPath) && !isMultiCall(path)

/** Whether a program runs other programs, by the name it was asked for, the path it was found at and its real file. */
export const isCarrier = (invokedAs: string, executable: Found): boolean =>
  isKnown(invokedAs) || isKnown(executable.path) || (!isApplet(executable) && isKnown(executable.realPath))
