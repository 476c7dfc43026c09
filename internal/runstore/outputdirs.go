package runstore

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"
)

// outputDirs makes the directories below output, each once. It keeps one
// directory open for each session block, because os.Root walks a path part by
// part and thousands of targets times their steps would walk the same parts.
type outputDirs struct {
	mu sync.Mutex
	// mu protects:
	sessions map[string]*os.Root // by directory name
	targets  map[string]bool     // session/target, those that were made
}

func newOutputDirs() *outputDirs {
	return &outputDirs{sessions: map[string]*os.Root{}, targets: map[string]bool{}}
}

// make returns the directory of a session block, in which that of the target
// then exists. The names are those of the directories.
func (o *outputDirs) make(run *os.Root, session, target string) (*os.Root, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	dir := o.sessions[session]
	if dir == nil {
		name := path.Join(outputName, session)
		if err := makeDir(run, name); err != nil {
			return nil, err
		}
		var err error
		if dir, err = run.OpenRoot(name); err != nil {
			return nil, err
		}
		o.sessions[session] = dir
	}
	if key := path.Join(session, target); !o.targets[key] {
		if err := makeDir(dir, target); err != nil {
			return nil, err
		}
		o.targets[key] = true
	}
	return dir, nil
}

// makeDir makes a directory with our mode whatever the umask; it may be there.
func makeDir(in *os.Root, name string) error {
	err := in.Mkdir(name, dirMode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return in.Chmod(name, dirMode)
}

func (o *outputDirs) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var err error
	for _, dir := range o.sessions {
		err = errors.Join(err, dir.Close())
	}
	clear(o.sessions)
	return err
}
