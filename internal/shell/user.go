package shell

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ssmrun/ssmrun/internal/quote"
)

// A step of another user goes through sudo -n, or runuser or su where the
// session is root's and there is no sudo. sudo closes every descriptor but
// the first three, so its shell reads the script from standard input, line by
// line up to a mark; what follows is the step's own input. Neither script nor
// variables are in an argument list. The step has that user's environment as
// sudo makes it, and leaves nothing for the next step to carry. On a terminal that
// is typed into, sudo may ask for a password there; else it must not.

// userPrologue becomes the other user.
func (s *Step) userPrologue(carry carrying, mark string) string {
	shell := s.program().words
	if !s.program().posix {
		shell = []string{"sh"}
	}
	read := "_ssmrun_z='\n';_ssmrun_t=;while IFS= read -r _ssmrun_l&&[ \"$_ssmrun_l\" != '#" + mark +
		"' ];do _ssmrun_t=$_ssmrun_t$_ssmrun_l$_ssmrun_z;done;eval \"$_ssmrun_t\""
	q, _ := quote.Sh(read)
	sudo := "sudo -n"
	if s.Terminal && s.Input != nil {
		sudo = "sudo"
	}
	return "exec 9<&- 8<&-\n" + carry.setup + "\n" +
		fmt.Sprintf("set -- %s -c %s %s\n", strings.Join(shell, " "), q, shell[0]) +
		fmt.Sprintf("if command -v sudo >/dev/null 2>&1; then exec %s -H -u %s -- \"$@\"; fi\n", sudo, s.User) +
		fmt.Sprintf("if command -v runuser >/dev/null 2>&1; then exec runuser -u %s -- \"$@\"; fi\n", s.User) +
		fmt.Sprintf("exec su -s /bin/sh %s -c %s\n", s.User, q)
}

// userStdin is the script and, behind the mark, the step's own input.
func (s *Step) userStdin(mark string) []byte {
	var b bytes.Buffer
	switch {
	case s.Terminal:
		b.WriteString("exec </dev/tty\n")
	case s.Stdin == nil && s.Input == nil:
		b.WriteString("exec </dev/null\n")
	}
	b.WriteString(s.enterDir())
	for _, v := range s.Env {
		value, _ := quote.Sh(v.Value)
		fmt.Fprintf(&b, "export %s=%s\n", v.Name, value)
	}
	args, _ := quote.ShAll(s.Args)
	p := s.program()
	if p.posix {
		if len(s.Args) > 0 {
			b.WriteString("set -- " + args + "\n")
		}
		b.Write(s.Script)
	} else {
		fmt.Fprintf(&b, "exec %s /dev/fd/8 %s 8<<'%s'\n", strings.Join(p.words, " "), args, mark)
		b.Write(s.Script)
		b.WriteString("\n" + mark)
	}
	b.WriteString("\n#" + mark + "\n")
	b.Write(s.Stdin)
	return b.Bytes()
}
