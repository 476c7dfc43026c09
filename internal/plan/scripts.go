package plan

import "errors"

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
