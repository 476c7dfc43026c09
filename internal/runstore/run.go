package runstore

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ssmrun/ssmrun/internal/event"
)

const (
	journalName = "journal"
	planName    = "plan.json"
	lockName    = "lock"
	outputName  = "output"

	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// ErrReadOnly is what the writing methods of a run from Open return.
var ErrReadOnly = errors.New("run was opened for reading")

// Run is one run on disk. Its methods may be called concurrently, but for
// Close, which comes last.
type Run struct {
	id    string
	path  string
	dir   *os.Root
	lock  *os.File       // nil when read only
	write *journalWriter // nil when read only
	files *openFiles
	dirs  *outputDirs
}

// Create makes the directory of a new run below root, which is made too when
// it is missing, and takes the run's lock. It fails when the run exists.
func Create(root, runID string) (*Run, error) {
	if err := checkID(runID); err != nil {
		return nil, err
	}
	if err := makeStore(root); err != nil {
		return nil, err
	}
	path := filepath.Join(root, runID)
	if err := os.Mkdir(path, dirMode); err != nil {
		return nil, fmt.Errorf("create run: %w", err)
	}
	// By its path: a umask that takes our own rights forbids to look inside.
	if err := os.Chmod(path, dirMode); err != nil {
		return nil, fmt.Errorf("create run: %w", err)
	}
	r, err := open(root, runID)
	if err != nil {
		return nil, err
	}
	if err := r.begin(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// begin writes what every run directory has from the start.
func (r *Run) begin() error {
	var err error
	if r.lock, err = takeLock(r.dir, r.id); err != nil {
		return err
	}
	if err := makeDir(r.dir, outputName); err != nil {
		return fmt.Errorf("create run: %w", err)
	}
	f, err := createFile(r.dir, journalName)
	if err != nil {
		return fmt.Errorf("create journal: %w", err)
	}
	if r.write, err = newJournal(f, r.id); err != nil {
		return err
	}
	for _, dir := range []string{r.path, filepath.Dir(r.path)} {
		if err := syncDir(dir); err != nil {
			return fmt.Errorf("create run: %w", err)
		}
	}
	return nil
}

// Open opens a run for reading, also while another process writes it and also
// when that process died.
func Open(root, runID string) (*Run, error) {
	if err := checkID(runID); err != nil {
		return nil, err
	}
	return open(root, runID)
}

// Reopen opens a run to go on with it. It takes the lock, cuts a torn write off
// the journal and appends from there. A *LockedError says that another process
// is writing the run.
func Reopen(root, runID string) (*Run, error) {
	r, err := Open(root, runID)
	if err != nil {
		return nil, err
	}
	if r.lock, err = takeLock(r.dir, runID); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	f, err := r.dir.OpenFile(journalName, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), r.Close())
	}
	if r.write, err = continueJournal(f, runID); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func open(root, runID string) (*Run, error) {
	path := filepath.Join(root, runID)
	dir, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("run %s: %w in %s", runID, fs.ErrNotExist, root)
	}
	if err != nil {
		return nil, fmt.Errorf("open run: %w", err)
	}
	return &Run{id: runID, path: path, dir: dir, files: newOpenFiles(), dirs: newOutputDirs()}, nil
}

// ID returns the run's id.
func (r *Run) ID() string { return r.id }

// Dir returns the path of the run's directory.
func (r *Run) Dir() string { return r.path }

// Append writes records to the journal and returns when they are on disk. After
// an error nothing more is written and every call returns that error.
func (r *Run) Append(records []event.Record) error {
	if r.write == nil {
		return ErrReadOnly
	}
	return r.write.append(records)
}

// Records yields the records of the journal from its beginning to where it
// ends now. An error is the last thing it yields: a *DamageError names the
// place where the journal cannot be trusted any more.
func (r *Run) Records() iter.Seq2[event.Record, error] {
	return func(yield func(event.Record, error) bool) {
		f, err := r.dir.Open(journalName)
		if errors.Is(err, fs.ErrNotExist) {
			return // a crash between mkdir and the first write
		}
		if err != nil {
			yield(event.Record{}, fmt.Errorf("open journal: %w", err))
			return
		}
		defer f.Close()
		j := newJournalReader(f, r.id)
		for {
			line, err := j.next()
			if err != nil {
				yield(event.Record{}, err)
				return
			}
			if line == nil {
				return
			}
			rec, err := event.ParseRecord(line.json)
			if err != nil {
				yield(event.Record{}, &DamageError{Offset: line.offset, Why: err.Error()})
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// SavePlan writes plan.json, durably and whole or not at all.
func (r *Run) SavePlan(plan []byte) error {
	if r.write == nil {
		return ErrReadOnly
	}
	const draft = planName + ".new"
	f, err := createFile(r.dir, draft)
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	_, err = f.Write(plan)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = r.dir.Rename(draft, planName)
	}
	if err == nil {
		err = syncDir(r.path)
	}
	if err != nil {
		_ = r.dir.Remove(draft)
		return fmt.Errorf("save plan: %w", err)
	}
	return nil
}

// Plan returns what SavePlan wrote.
func (r *Run) Plan() ([]byte, error) {
	b, err := r.dir.ReadFile(planName)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	return b, nil
}

// Close closes what is open and lets the lock go. Streams that are still open
// return errors from then on.
func (r *Run) Close() error {
	err := errors.Join(r.files.closeAll(), r.dirs.close())
	if r.write != nil {
		err = errors.Join(err, r.write.close())
	}
	if r.lock != nil {
		err = errors.Join(err, r.lock.Close())
	}
	return errors.Join(err, r.dir.Close())
}

// makeStore makes the directory of all runs and sees that it is ours alone.
// Runs are no part of the runbook, so version control is told to ignore them.
func makeStore(root string) error {
	if err := os.MkdirAll(root, dirMode); err != nil {
		return fmt.Errorf("create run directory: %w", err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return fmt.Errorf("create run directory: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("run directory %s is writable by others (%04o): run chmod 700 on it", root, info.Mode().Perm())
	}
	ignore, err := os.OpenFile(filepath.Join(root, ".gitignore"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil // it is there, or is only a convenience
	}
	_, err = ignore.WriteString("*\n")
	return errors.Join(err, ignore.Close())
}

// createFile makes a file that was not there, with our mode whatever the umask.
func createFile(dir *os.Root, name string) (*os.File, error) {
	f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(fileMode); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// syncDir makes the names in a directory durable. Windows has no such call.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
