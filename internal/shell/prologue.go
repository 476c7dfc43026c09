package shell

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/ssmrun/ssmrun/internal/quote"
)

// dirMissing is the exit code of a step whose directory cannot be entered: as
// with a program that cannot be executed, nothing of the step has run.
const dirMissing = 126

var (
	envName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	shellWord = regexp.MustCompile(`^[A-Za-z0-9_./+=,:@-]+$`)
	userName  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@$-]*$`)
)

// program is what runs a step's script, taken from Step.Shell.
type program struct {
	words []string
	posix bool // a shell that reads the prologue and the script with `.`
}

// posixShells are the programs that understand the prologue.
var posixShells = map[string]bool{"sh": true, "dash": true, "ash": true, "bash": true, "ksh": true,
	"ksh93": true, "mksh": true, "lksh": true, "zsh": true, "yash": true}

func (s *Step) program() program {
	words := strings.Fields(s.Shell)
	if len(words) == 0 {
		words = []string{"sh"}
	}
	name := path.Base(words[0])
	if name == "busybox" && len(words) > 1 {
		name = words[1]
	}
	return program{words: words, posix: posixShells[name]}
}

// check refuses what no target could run as it is written.
func (s *Step) check() error {
	if bytes.IndexByte(s.Script, 0) >= 0 {
		return errors.New("the script has a NUL byte, which no shell can read; send it as stdin")
	}
	for _, w := range s.program().words {
		if !shellWord.MatchString(w) {
			return fmt.Errorf("shell %q: only a program's name or path and plain options can be used", s.Shell)
		}
	}
	for _, v := range s.Env {
		if !envName.MatchString(v.Name) {
			return fmt.Errorf("environment variable %q: a name has letters, digits and underscores, and does not begin with a digit", v.Name)
		}
		if strings.IndexByte(v.Value, 0) >= 0 {
			return fmt.Errorf("environment variable %s: its value has a NUL byte, which no environment can hold", v.Name)
		}
	}
	for i, a := range s.Args {
		if strings.IndexByte(a, 0) >= 0 {
			return fmt.Errorf("argument %d has a NUL byte, which no command line can carry", i+1)
		}
	}
	if strings.IndexByte(s.Dir, 0) >= 0 {
		return errors.New("the directory has a NUL byte, which no file name can have")
	}
	if s.Stdin != nil && (s.Terminal || s.Input != nil) {
		return errors.New("a step with a terminal, or with input while it runs, has no other stdin")
	}
	if s.User != "" && !userName.MatchString(s.User) {
		return fmt.Errorf("user %q is not a user's name", s.User)
	}
	return nil
}

// carrying says how the prologue keeps the directory and the exported
// variables for the next step.
type carrying struct {
	setup string // first words: restores what is carried
	save  string // command that saves; $_ssmrun_p is the directory to carry
}

// environFD is where the save command of the perl and python servers writes.
// A number that no script uses: one digit would collide with `exec 7>file`.
const environFD = "57"

// carryByEnviron dumps the environment to the server, exact and without a
// shell's quoting: one small process.
var carryByEnviron = carrying{
	save: `{ _SSMRUN_PWD="$_ssmrun_p" /bin/cat /proc/self/environ || _SSMRUN_PWD="$_ssmrun_p" env -0; } >/dev/fd/` +
		environFD + ` && command echo _SSMRUN_END >/dev/fd/` + environFD,
}

// carryExports lists the environment without a process, in a shell that quotes
// so that any shell can read it.
const carryExports = `command echo unset PATH;export _ssmrun_p;export -p;command echo 'cd "$_ssmrun_p";unset _ssmrun_p'`

// carryAwk lists the environment from any shell.
func carryAwk(awk string) string {
	return `_SSMRUN_PWD="$_ssmrun_p" ` + awk + ` '` + awkExports + `'`
}

// carryByFile has the command list write a file of exports that any shell reads
// back.
func carryByFile(dir, list string, in, out int, step int64) carrying {
	c := carrying{setup: fmt.Sprintf("{ echo '%d' $$ >'%s/p'; } 2>/dev/null; ", step, dir)}
	if in >= 0 {
		// What is exported and not in the file was unset by an earlier step. A
		// step must not run where it was not meant to.
		c.setup += fmt.Sprintf("[ -r '%[1]s/s%[2]d' ] || { echo 'ssmrun: not run: the directory and variables that earlier steps left were in %[1]s, which was removed' >&2; exit %[3]d; }; . '%[1]s/s%[2]d'; ",
			dir, in, dirMissing)
	}
	// A limit on file sizes must not end the step by a signal.
	// A directory that cannot be entered again would fail the next step.
	c.save = fmt.Sprintf(`trap "" XFSZ; [ -d "$_ssmrun_p" ] && command cd "$_ssmrun_p" && { %s; } >|'%s/s%d' && command echo %d >|'%s/k'`, list, dir, out, step, dir)
	return c
}

// awkExports prints the environment as shell text. Values are cut at quotes
// and put together again without sub() and printf, which differ between awks.
const awkExports = `BEGIN{q=sprintf("%c",39);print "unset PATH";for(k in ENVIRON){if(k!~/^[A-Za-z_][A-Za-z0-9_]*$/)continue;` +
	`if(k~/^(_|PWD|OLDPWD|SHLVL|SHELLOPTS|BASHOPTS|PPID|UID|EUID|_SSMRUN_PWD|AWK.*)$/)continue;print "export " k "=" w(ENVIRON[k])}` +
	`print "cd " w(ENVIRON["_SSMRUN_PWD"])}` +
	`function w(v,a,n,i,s){n=split(v,a,q);s="";for(i=1;i<=n;i++)s=s (i>1?q "\\" q q:"") a[i];return q s q}`

// envLines exports the step's variables, in a way that `restore` can undo for
// those that the script leaves alone: they are the step's, not the session's.
func (s *Step) envLines() (set, restore string) {
	var a, b strings.Builder
	last := make(map[string]string)
	var names []string
	for _, v := range s.Env {
		if _, seen := last[v.Name]; !seen {
			names = append(names, v.Name)
		}
		last[v.Name] = v.Value
	}
	for i, name := range names {
		value, _ := quote.Sh(last[name]) // check has refused NUL
		fmt.Fprintf(&a, "_ssmrun_o%d=${%s-} _ssmrun_s%d=${%s+x} _ssmrun_v%d=%s; export %s=\"$_ssmrun_v%d\"\n", i, name, i, name, i, value, name, i)
		fmt.Fprintf(&b, "if [ \"${%s-}\" = \"$_ssmrun_v%d\" ]; then if [ \"$_ssmrun_s%d\" ]; then export %s=\"$_ssmrun_o%d\"; else unset %s; fi; fi\n", name, i, i, name, i, name)
	}
	return a.String(), b.String()
}

func (s *Step) enterDir() string {
	if s.Dir == "" {
		return ""
	}
	dir, _ := quote.Sh(s.Dir)
	if !strings.HasPrefix(s.Dir, "/") {
		dir = "./" + dir // no CDPATH, no `cd -`
	}
	return fmt.Sprintf("_ssmrun_d=$PWD; cd %s || exit %d; _ssmrun_e=$PWD\n", dir, dirMissing)
}

// prologue is the text that the step's shell reads before the script, from
// descriptor 9: it sets the step up and has its state saved when it ends,
// however it ends short of exec and a signal. The script is on descriptor 8.
func (s *Step) prologue(carry carrying) string {
	p := s.program()
	var b strings.Builder
	b.WriteString("exec 9<&-\n" + carry.setup + "\n")
	set, restore := s.envLines()
	if !p.posix {
		b.WriteString(s.enterDir() + set)
		args, _ := quote.ShAll(s.Args)
		fmt.Fprintf(&b, "exec %s /dev/fd/8 %s\n", strings.Join(p.words, " "), args)
		return b.String()
	}
	b.WriteString(set)
	if carry.save != "" {
		s.keepState(&b, restore, carry.save)
	}
	b.WriteString(s.enterDir())
	if len(s.Args) > 0 {
		args, _ := quote.ShAll(s.Args)
		b.WriteString("set -- " + args + "\n")
	}
	b.WriteString(". /dev/fd/8\n")
	return b.String()
}

// keepState has the shell save its directory and exported variables when it
// ends. What it needs of the shell it takes back first: options, functions named
// as its commands. The exit code is an argument, because after `set -a` a
// variable would be exported.
func (s *Step) keepState(b *strings.Builder, restore, save string) {
	b.WriteString("_ssmrun_end() {\nunset -f command exit set trap echo export cd\nset +aeu\nset +x\n_ssmrun_p=${PWD:-$(pwd)}\n")
	if s.Dir != "" {
		b.WriteString("if [ \"$_ssmrun_p\" = \"$_ssmrun_e\" ]; then _ssmrun_p=$_ssmrun_d; fi\n")
	}
	// ksh93 and yash have signals above 256, which exit would cut.
	b.WriteString(restore + save + "\nif [ \"$1\" -gt 256 ]; then set -- $(($1%128+128)); fi\nexit \"$1\"\n}\n")
	// In a group whose errors go nowhere: a script's trace must not show what
	// is ours.
	b.WriteString("trap '{ _ssmrun_end \"$?\"; } 2>/dev/null' EXIT\n")
}

// argv is the command that reads the prologue.
func (s *Step) argv() []string {
	p := s.program()
	if !p.posix {
		return []string{"sh"}
	}
	return p.words
}

// source is the script as descriptor 8 has it. A shell closes the descriptor
// before the first command, on the script's own first line so that the line
// numbers in its messages are right.
func (s *Step) source() []byte {
	if !s.program().posix {
		return s.Script
	}
	return append([]byte("exec 8<&-;"), s.Script...)
}
