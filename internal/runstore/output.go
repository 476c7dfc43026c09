package runstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// DefaultMaxOutput is how many bytes of a stream are kept unless Limit says
// otherwise.
const DefaultMaxOutput = 64 << 20

// The streams of an attempt, and what their files' names end in.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// Output takes what one attempt at a step writes.
type Output struct {
	Stdout, Stderr *Stream
}

// Output makes the place for an attempt's output: session is the `session`
// field of events, index the step's place in its job from 0. The files come
// into being with the first byte, at the latest when the streams are closed;
// until then they take no descriptor. If an earlier attempt has the step's
// plain names, its files are renamed.
func (r *Run) Output(session, target string, index int, step string, attempt int) (*Output, error) {
	if r.write == nil {
		return nil, ErrReadOnly
	}
	dir, err := r.dirs.make(r.dir, partName(session), partName(target))
	if err != nil {
		return nil, fmt.Errorf("create output directory: %w", err)
	}
	base := path.Join(partName(target), stepName(index, step))
	if err := retire(dir, base, attempt); err != nil {
		return nil, fmt.Errorf("rename output of attempt %d: %w", attempt-1, err)
	}
	return &Output{
		Stdout: newStream(r, dir, base+"."+Stdout),
		Stderr: newStream(r, dir, base+"."+Stderr),
	}, nil
}

// Limit sets how many bytes of each stream are kept. It is called before the
// first Write.
func (o *Output) Limit(bytes int64) {
	o.Stdout.limit = bytes
	o.Stderr.limit = bytes
}

// Close closes both streams.
func (o *Output) Close() error {
	return errors.Join(o.Stdout.Close(), o.Stderr.Close())
}

// ReadOutput opens the file of one attempt's stream, Stdout or Stderr. index is
// that of Output, or -1 when it is not known: then the step's label must name
// one step only. attempt 0 is the last attempt. It reports fs.ErrNotExist when
// nothing was kept.
func (r *Run) ReadOutput(session, target string, index int, step string, attempt int, stream string) (*os.File, error) {
	dir := outputDir(session, target)
	name := stepName(index, step)
	if index < 0 {
		var err error
		if name, err = r.findStep(dir, step); err != nil {
			return nil, fmt.Errorf("read output: %w", err)
		}
	}
	base := path.Join(dir, name)
	if attempt > 0 {
		f, err := r.dir.Open(attemptName(base, attempt) + "." + stream)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		if attempt > 1 {
			// The plain names are this attempt's only if the one before it was
			// renamed.
			if _, err := r.dir.Stat(attemptName(base, attempt-1) + "." + stream); err != nil {
				return nil, fmt.Errorf("read output: %w", err)
			}
		}
	}
	f, err := r.dir.Open(base + "." + stream)
	if err != nil {
		return nil, fmt.Errorf("read output: %w", err)
	}
	return f, nil
}

// findStep returns the NN-step name of a step whose place is not known.
func (r *Run) findStep(dir, step string) (string, error) {
	d, err := r.dir.Open(dir)
	if err != nil {
		return "", err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return "", err
	}
	found := ""
	for _, file := range names {
		name, ok := strings.CutSuffix(file, "."+Stdout)
		number, label, cut := strings.Cut(name, "-")
		if _, err := strconv.Atoi(number); !ok || !cut || err != nil || label != partName(step) {
			continue
		}
		if found != "" {
			return "", fmt.Errorf("step %s: more than one has that label", step)
		}
		found = name
	}
	if found == "" {
		return "", fmt.Errorf("step %s: %w", step, fs.ErrNotExist)
	}
	return found, nil
}

// retire renames the files of the attempt before this one.
func retire(dir *os.Root, base string, attempt int) error {
	if attempt < 2 {
		return nil
	}
	for _, stream := range []string{Stdout, Stderr} {
		err := dir.Rename(base+"."+stream, attemptName(base, attempt-1)+"."+stream)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func outputDir(session, target string) string {
	return path.Join(outputName, partName(session), partName(target))
}

func stepName(index int, step string) string {
	return fmt.Sprintf("%02d-%s", index+1, partName(step))
}

func attemptName(base string, attempt int) string {
	return fmt.Sprintf("%s.attempt%d", base, attempt)
}
