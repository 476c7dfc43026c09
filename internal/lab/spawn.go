package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// machinePath is where nodes find programs after their own: directories that
// everybody can use. ssmrun's PATH may name some that the nodes' user may not
// even look into, which would make a shell say "permission denied" for a
// command that does not exist.
var machinePath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/homebrew/bin", "/run/current-system/sw/bin"}

// spawn starts argv on the session's node.
func (s *session) spawn(argv []string, files [3]*os.File, terminal bool) (*process, error) {
	n := s.node
	// The session was added before this look, so that a node that goes down after
	// it finds the session and ends it.
	if !n.isOnline() {
		return nil, errors.New("the node went down")
	}
	env := n.environ()
	path, err := lookPath(argv[0], env, n.home())
	if err != nil {
		return nil, err
	}
	p, err := n.lab.nursery.start(launch{
		node:     n,
		argv:     argv,
		path:     path,
		env:      env,
		dir:      n.home(),
		files:    files,
		terminal: terminal,
	})
	if err != nil {
		return nil, &fs.PathError{Op: "fork/exec", Path: path, Err: err}
	}
	return p, nil
}

// spawnQuiet is spawn with /dev/null for standard input.
func (s *session) spawnQuiet(argv []string, stdout, stderr *os.File) (*process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	return s.spawn(argv, [3]*os.File{null, stdout, stderr}, false)
}

func (n *node) shell() string {
	if n.spec.Shell == "" {
		return "sh"
	}
	return n.spec.Shell
}

// environ is the environment of the node's processes: nothing of ssmrun's own.
func (n *node) environ() []string {
	path := append([]string{filepath.Join(n.home(), "bin"), filepath.Join(n.dir, "bin")}, machinePath...)
	env := map[string]string{
		"HOME":               n.home(),
		"TMPDIR":             n.tmp(),
		"USER":               n.account.name,
		"LOGNAME":            n.account.name,
		"HOSTNAME":           n.name,
		"LANG":               "C.UTF-8",
		"TERM":               "xterm-256color",
		"SSMRUN_LAB_BOOT_ID": n.boot(),
	}
	for k, v := range n.spec.Env {
		env[k] = v
	}
	if own, ok := n.spec.Env["PATH"]; ok {
		path = append(path[:2], own)
	}
	env["PATH"] = strings.Join(path, ":")
	env[nodeMark] = n.lab.id + "/" + n.id
	out := make([]string, 0, len(env))
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

// lookPath finds a program as the agent's exec would, in the PATH of env.
func lookPath(name string, env []string, dir string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if err := executable(name); err != nil {
			return "", &exec.Error{Name: name, Err: err}
		}
		return name, nil
	}
	for _, v := range env {
		path, ok := strings.CutPrefix(v, "PATH=")
		if !ok {
			continue
		}
		for _, d := range filepath.SplitList(path) {
			if file := filepath.Join(d, name); executable(file) == nil {
				return file, nil
			}
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}

func executable(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			return pathErr.Err
		}
		return err
	}
	if info.IsDir() || info.Mode().Perm()&0o111 == 0 {
		return fs.ErrPermission
	}
	return nil
}

// splitWords splits a shell setting such as "bash --posix".
func splitWords(s string) []string {
	words, err := splitShlex(s)
	if err != nil || len(words) == 0 {
		return []string{s}
	}
	return words
}

// splitShlex splits a command into words by the rules of google/shlex, which
// the agent uses: both kinds of quotes, a backslash that escapes any character
// outside single quotes, and comments.
func splitShlex(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	var quote rune
	escaped, comment := false, false
	for _, r := range s {
		switch {
		case comment:
			comment = r != '\n'
		case escaped:
			word.WriteRune(r)
			escaped = false
		case quote == '\'' && r != '\'', quote == '"' && r != '"' && r != '\\':
			word.WriteRune(r)
		case quote != 0 && r == quote:
			quote = 0
		case r == '\\':
			escaped, inWord = true, true
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\r' || r == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		case r == '#' && !inWord:
			comment = true
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	switch {
	case escaped:
		return nil, fmt.Errorf("EOF found after escape character")
	case quote != 0:
		return nil, fmt.Errorf("EOF found when expecting closing quote")
	case inWord:
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("no command")
	}
	return words, nil
}
