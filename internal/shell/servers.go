package shell

import (
	_ "embed"
	"strings"
)

var (
	//go:embed frame.sh
	frameSh string
	//go:embed server.sh
	serverSh string
	//go:embed command.sh
	commandSh string
	//go:embed bulk.pl
	bulkPerl string
	//go:embed bulk.py
	bulkPython string
	//go:embed server.pl
	serverPerl string
	//go:embed server.py
	serverPython string
)

// loaderCommand is stage 0: the one line that is typed into a shell of which
// nothing is known. It has no `!` and no word that a profile could have made
// an alias, and is one single-quoted argument to any shell. The boot id is cut
// by quotes so that the echo of the line does not hold the answer.
//
// The loader answers with what the target has, then evaluates lines that begin
// with "#L". It stays behind the step server and says when that has ended.
func loaderCommand(sh, id string) string {
	tag := "@" + id[:8] + `"` + id[8:] + `"`
	return ` ` + sh + ` -c 'stty -echo -ixon -iexten icanon icrnl 2>/dev/null;trap : INT;` +
		`t=;for p in perl python3 base64 openssl od gzip setsid awk cksum sudo;do command -v $p >/dev/null 2>&1&&t="$t $p";done;` +
		`{ read -r c </proc/$PPID/comm;} 2>/dev/null&&t="$t shell=$c";` +
		`_r(){ echo ` + tag + ` r$t;};_x(){ echo ` + tag + ` x $1 $2;};_r;` +
		`while read -r a b;do case $a in "#L")eval "$b";;"#R")_r;;"#Q")exit;;esac;done'` + "\n"
}

// The bootstraps read a server's text, lines that begin with "#:" up to "#E",
// through the terminal, so that it is in no argument list. A sh server that was
// killed may leave a reader of the terminal behind in the loader's process
// group: TERM ends it, and an interactive shell ignores that.
const (
	bootSh = `(z=$(printf "\n.");z=${z%.};s=;while IFS= read -r l;do case $l in "#E")break;;"#:"*)s=$s${l#??}$z;;esac;done;eval "$s");y=$?;` +
		`[ $y -gt 128 ]&&{ trap : TERM;kill -TERM 0;trap - TERM;} 2>/dev/null;(exit $y)`
	bootPerl = `perl -e '$b=$c="";while(1){while($b!~/\n/){sysread(STDIN,$b,4096,length$b)or exit 9}` +
		`$b=~s/^(.*)\n//;$l=$1;last if$l eq"#E";$c.="$1\n"if$l=~/^#:(.*)/}eval$c;die$@if$@'`
	bootPy = `python3 -c 'import os;exec("b=b\"\"\nwhile b\"\\n#E\\n\" not in b:\n r=os.read(0,4096)\n r or os._exit(9)\n b+=r");` +
		`c,b=b.split(b"\n#E\n",1);exec(b"".join(l[2:]+b"\n"for l in c.split(b"\n")if l[:2]==b"#:"))'`
)

// serverText is stage 1: the loader's command to start a step server, the
// server's text, its nonce, and a name for its directory.
func (c *Client) serverText(name, start, nonce string) string {
	var boot, text string
	switch name {
	case "static":
		return staticText(c.opts.static(), start, nonce, nil)
	case "perl":
		boot, text = bootPerl, compact(serverPerl, true)
	case "python3":
		boot, text = bootPy, compact(serverPython, false)
	default:
		boot, text = bootSh, compact(frameSh+serverSh, true)
	}
	var b strings.Builder
	b.WriteString("#L " + boot + ";_x " + start + " $?\n")
	for line := range strings.Lines(text) {
		b.WriteString("#:" + line)
	}
	b.WriteString("#E\n#N " + nonce + " " + randomID(8) + "\n")
	return b.String()
}

// compact drops comments and empty lines, and where it means nothing the
// indentation: what is typed is what the reader of the source need not type.
func compact(text string, dedent bool) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		bare := strings.TrimSpace(line)
		if bare == "" || strings.HasPrefix(bare, "#") {
			continue
		}
		if dedent {
			line = bare + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}
