package plan

import (
	"bytes"
	"errors"
	"path"
	"strings"
)

// maxScript bounds a script file: it is sent through a terminal.
const maxScript = 4 << 20

var errNotSnapshot = errors.New("it was not there when the plan was made")

// readScript returns the content of a script. At plan it is read, once; during
// a run it is what the plan has read.
func (p *Plan) readScript(path string, planning bool) ([]byte, error) {
	if content, ok := p.scripts[path]; ok {
		return content, nil
	}
	if !planning {
		return nil, errNotSnapshot
	}
	content, err := p.eval.files.Read(path)
	if err != nil {
		return nil, err
	}
	if len(content) > maxScript {
		return nil, errors.New("it is larger than 4 MiB")
	}
	p.scripts[path] = content
	return content, nil
}

// interpreter is what a script's first line, `#!/usr/bin/env python3`, says it
// is for; "" when it says nothing. env is left out: the program is looked for
// in PATH all the same.
func interpreter(script []byte) string {
	line, _, _ := bytes.Cut(script, []byte("\n"))
	text, ok := strings.CutPrefix(string(line), "#!")
	if !ok {
		return ""
	}
	words := strings.Fields(text)
	if len(words) > 1 && path.Base(words[0]) == "env" {
		words = words[1:]
		if words[0] == "-S" {
			words = words[1:]
		}
	}
	return strings.Join(words, " ")
}
