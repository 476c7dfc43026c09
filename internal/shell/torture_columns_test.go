package shell

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

var loginShells = []struct {
	name string
	argv []string
}{
	{"dash", []string{"dash", "-l"}},
	{"bash", []string{"bash", "-l"}},
	{"bash --posix", []string{"bash", "--posix", "-l"}},
	{"zsh", []string{"zsh", "-l"}},
	{"fish", []string{"fish", "-l"}},
	{"busybox ash", []string{"busybox", "sh", "-l"}},
	{"ksh93", []string{"ksh93", "-l"}},
	{"mksh", []string{"mksh", "-l"}},
	{"yash", []string{"yash", "-l"}},
}

// hostileProfile is read by every POSIX login shell. It changes nothing that a
// user could not want: banners, prompts, modes, aliases, traps.
const hostileProfile = `echo "*** Authorized use only @0 X 1 0 1 0 ***"
cd /
PS1='$(echo odd)
@0 R v=1 > '
PS2= PS4='!!'
PROMPT_COMMAND='echo from PROMPT_COMMAND'
export TMOUT=7200 IGNOREEOF=3 HISTFILE=/dev/null
alias ls='echo alias' echo='echo alias' read=false while=false stty=false command=false
set -u
set -o vi
trap 'echo trapped' INT
printf 'no newline'
`

const hostileZsh = `echo "*** banner @0 X 1 0 ***"; cd /
setopt nounset promptsubst; bindkey -v
PROMPT=$'%n@%m \n@0 R > '; RPROMPT='%T'; precmd() { echo from precmd; }; preexec() { echo from preexec; }
alias stty=false echo='echo alias'
`

const hostileFish = `set fish_greeting "*** banner @0 X 1 0 ***"
function fish_prompt; printf 'odd\n@0 R > '; end
function fish_right_prompt; date; end
fish_vi_key_bindings
function stty; false; end
cd /
`

const tracingProfile = `set -x; trap 'echo debug' DEBUG
`

// profiles are the files of a home directory, by name.
func profiles(posix string) map[string]string {
	return map[string]string{
		".profile": posix, ".bash_profile": posix, ".yash_profile": posix, ".yashrc": "",
		".zshrc": hostileZsh, ".zprofile": "", ".config/fish/config.fish": hostileFish,
	}
}

// quiet are profiles that hold nothing; without a .zshrc zsh asks questions.
var quiet = map[string]string{".zshrc": ""}

// oddEnvironment is what the session's shell was started with.
var oddEnvironment = []string{"TMPDIR=/proc/nowhere", "LC_ALL=xx_YY.nonsense", "LANG=tr_TR.UTF-8", "CDPATH=/usr:/", "IFS=0123456789",
	"POSIXLY_CORRECT=1", "GZIP=-9v", "PERL5OPT=", "PYTHONSTARTUP=/nonexistent", "PYTHONIOENCODING=utf-16",
	"ODD=line\none \x01\xff'\"", "TERM=dumb", "COLUMNS=1", "LINES=1"}

var bothLatencies = []time.Duration{0, 50 * time.Millisecond}

// tortureColumns are all columns of the table. A shell that is not installed
// has none, which the log says and the table shows.
func tortureColumns(t testing.TB) (columns []*column) {
	add := func(col column, servers []string, argv []string, home map[string]string, typed string, env ...string) {
		if _, err := exec.LookPath(argv[0]); err != nil {
			t.Logf("%s is not installed", argv[0])
			return
		}
		for _, server := range servers {
			c := col
			c.kind, c.server = "shell", server
			c.boot = func(t testing.TB) stepRunner {
				h := agent
				h.latency = c.latency
				return bootAt(t, argv, h, Options{Servers: []string{server}}, home, typed, env)
			}
			columns = append(columns, &c)
		}
	}
	for i, l := range loginShells {
		for _, latency := range bothLatencies {
			add(column{shell: l.name, sh: "dash", latency: latency}, servers, l.argv, quiet, "")
		}
		add(column{shell: l.name + ", hostile profile", sh: "dash"}, servers[i%3:i%3+1], l.argv, profiles(hostileProfile), "")
	}
	for _, latency := range bothLatencies {
		add(column{shell: "dash, racing profile", sh: "dash", latency: latency}, servers, []string{"dash"}, nil, "cd /; echo profile; set -u; PS1='racing> '; sleep 0.1\n")
	}
	add(column{shell: "bash, tracing profile", sh: "dash"}, servers, []string{"bash", "-l"}, profiles(tracingProfile), "")
	add(column{shell: "dash, odd environment", sh: "dash"}, servers, []string{"dash"}, nil, "", oddEnvironment...)
	return append(columns, otherShs(t)...)
}

// targetShs are the programs that may be a target's sh, by the name sh.
var targetShs = []struct{ name, program string }{
	{"dash", "dash"}, {"bash", "bash"}, {"zsh", "zsh"}, {"busybox ash", "busybox"}, {"ksh93", "ksh93"}, {"mksh", "mksh"}, {"yash", "yash"},
}

// otherShs are the columns in which the loader, the sh server, the command's
// wrapper and every step's shell are that program.
func otherShs(t testing.TB) (columns []*column) {
	for _, sh := range targetShs {
		program, err := exec.LookPath(sh.program)
		if err != nil {
			t.Logf("%s is not installed", sh.program)
			continue
		}
		for _, server := range servers {
			if sh.name == "dash" || sh.name == "yash" && server == "sh" {
				continue // the columns above; refuses to start
			}
			col := &column{kind: "shell", shell: "dash", sh: sh.name, server: server}
			col.boot = func(t testing.TB) stepRunner {
				dir := shDir(t, program)
				return bootAt(t, []string{"dash"}, agent, Options{Servers: []string{server}, binSh: dir + "/sh"}, nil, "", []string{"PATH=" + dir + ":" + os.Getenv("PATH")})
			}
			columns = append(columns, col)
		}
		for _, latency := range bothLatencies {
			columns = append(columns, &column{kind: "command", sh: sh.name, latency: latency, boot: func(t testing.TB) stepRunner {
				return &wrapped{dir: shDir(t, program), latency: latency}
			}})
		}
	}
	return columns
}

// shDir is a directory in which sh is a program.
func shDir(t testing.TB, program string) string {
	dir := t.TempDir()
	if err := os.Symlink(program, filepath.Join(dir, "sh")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// bootAt boots a session whose home directory has those files. What is typed
// comes when the session's input is already accepted, as the agent types a
// shell profile.
func bootAt(t testing.TB, argv []string, h habits, opts Options, home map[string]string, typed string, env []string) *rig {
	dir := t.TempDir()
	for name, text := range home {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := newRig(t, argv, h, opts, append([]string{"HOME=" + dir}, env...)...)
	if typed != "" {
		go io.WriteString(r.tty, typed)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	info, err := r.Boot(ctx)
	if err != nil {
		t.Fatalf("boot: %v\nscreen: %s", err, r.Screen())
	}
	if info.Server != opts.Servers[0] {
		t.Fatalf("server is %s, want %s", info.Server, opts.Servers[0])
	}
	return r
}
