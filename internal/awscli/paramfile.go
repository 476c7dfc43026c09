package awscli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"
)

// Files is the machine as file:// and fileb:// see it. The zero value has no
// files, no environment and no homes.
type Files struct {
	// Read returns the contents of a file; os.ReadFile does.
	Read func(name string) ([]byte, error)
	// Getenv looks a variable up for the $NAME and ${NAME} of a path;
	// os.LookupEnv does.
	Getenv func(name string) (string, bool)
	// Home returns the home of a user for a path that begins with ~ or ~user;
	// the name is "" for this user.
	Home func(user string) (string, bool)
}

// A fileError is a file:// or fileb:// that cannot be read.
type fileError struct{ what string }

func (e *fileError) Error() string { return "Unable to load paramfile " + e.what }

// load returns the text unchanged, or what the file that it names holds: a
// string for file://, Bytes for fileb://.
func (f Files) load(text string) (any, error) {
	if path, ok := strings.CutPrefix(text, "file://"); ok {
		name, data, err := f.read(text, path)
		if err != nil {
			return nil, err
		}
		if !utf8.Valid(data) {
			return nil, &fileError{fmt.Sprintf("(%s), text contents could not be decoded.  "+
				"If this is a binary file, please use the fileb:// prefix instead of the file:// prefix.", name)}
		}
		// Python reads text files with universal newlines.
		return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data)), nil
	}
	if path, ok := strings.CutPrefix(text, "fileb://"); ok {
		_, data, err := f.read(text, path)
		return Bytes(data), err
	}
	return text, nil
}

func (f Files) read(uri, path string) (name string, data []byte, err error) {
	name = f.expandVariables(f.expandHome(path))
	if f.Read == nil {
		return name, nil, &fileError{uri + ": no files here"}
	}
	if data, err = f.Read(name); err == nil {
		return name, data, nil
	}
	reason := err.Error()
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		text := number.Error()
		reason = fmt.Sprintf("[Errno %d] %s: %s", int(number), strings.ToUpper(text[:1])+text[1:], stringRepr(name))
	} else if wrapped, ok := errors.AsType[*os.PathError](err); ok {
		reason = wrapped.Err.Error() + ": " + stringRepr(name)
	}
	return name, nil, &fileError{uri + ": " + reason}
}

// expandHome is Python's os.path.expanduser for POSIX.
func (f Files) expandHome(path string) string {
	if !strings.HasPrefix(path, "~") || f.Home == nil {
		return path
	}
	user, rest := path[1:], ""
	if i := strings.IndexByte(path, '/'); i >= 0 {
		user, rest = path[1:i], path[i:]
	}
	home, ok := f.Home(user)
	if !ok {
		return path
	}
	if home = strings.TrimRight(home, "/") + rest; home == "" {
		return "/"
	}
	return home
}

// expandVariables is Python's os.path.expandvars: a variable that is not set
// stays as it is written.
func (f Files) expandVariables(path string) string {
	var b strings.Builder
	for path != "" {
		i := strings.IndexByte(path, '$')
		if i < 0 || f.Getenv == nil {
			break
		}
		b.WriteString(path[:i])
		path = path[i:]
		name, length := variable(path)
		value, ok := f.Getenv(name)
		if !ok || length == 1 {
			value = path[:length]
		}
		b.WriteString(value)
		path = path[length:]
	}
	return b.String() + path
}

// variable reads the $NAME or ${NAME} at the start of text. The length is 1
// for a dollar that starts neither.
func variable(text string) (name string, length int) {
	if strings.HasPrefix(text, "${") {
		if i := strings.IndexByte(text, '}'); i > 0 {
			return text[2:i], i + 1
		}
		return "", 1
	}
	n := 1
	for n < len(text) && (text[n] == '_' || text[n] >= '0' && text[n] <= '9' || text[n]|0x20 >= 'a' && text[n]|0x20 <= 'z') {
		n++
	}
	return text[1:n], n
}
