package awscli

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// referenceFiles are the files that the inputs name.
func referenceFiles(t testing.TB) Files {
	t.Helper()
	data, err := os.ReadFile("testdata/files.json")
	if err != nil {
		t.Fatal(err)
	}
	var files struct{ Text map[string]string }
	if err := json.Unmarshal(data, &files); err != nil {
		t.Fatal(err)
	}
	return Files{
		Read: func(name string) ([]byte, error) {
			if text, ok := files.Text[name]; ok {
				return []byte(text), nil
			}
			number := syscall.ENOENT
			switch name {
			case "binary":
				return []byte("\xff\xfe\x00"), nil
			case "sub", "/":
				number = syscall.EISDIR
			}
			return nil, &os.PathError{Op: "open", Path: name, Err: number}
		},
		Getenv: func(name string) (string, bool) { return "sub", name == "DIR" },
		Home:   func(user string) (string, bool) { return "/home/nobody", user == "" },
	}
}

func TestShorthandIsTheCLIs(t *testing.T) {
	files := referenceFiles(t)
	for _, row := range rows[struct{ In, Out, Error string }](t, "shorthand.jsonl") {
		got, err := ParseShorthand(row.In, files)
		if err != nil && err.Error() != row.Error || err == nil && row.Error != "" {
			t.Errorf("%q\n got %v\nwant %s", row.In, err, row.Error)
		} else if err == nil && encodeJSON(got, false) != row.Out {
			t.Errorf("%q\n got %s\nwant %s", row.In, encodeJSON(got, false), row.Out)
		}
	}
}

type commandRow struct {
	Args           []string
	Exit           int
	Stdout, Stderr string
	Request        string
}

// run does what a command would: it prints, and says what it would send.
func run(args []string, files Files) commandRow {
	c, err := Parse(args, files)
	got := commandRow{Args: args}
	switch {
	case err != nil:
	case c.Help:
		return got
	case c.Version:
		got.Stdout = "VERSION"
	case c.Skeleton == "input":
		got.Stdout = Skeleton()
	case c.Skeleton == "output":
		got.Stdout, err = c.Globals.Output.Text(operation, SampleResponse())
	default:
		got.Request = c.Request.JSON()
	}
	if e, ok := errors.AsType[*Error](err); ok {
		got.Exit, got.Stderr = e.Exit, e.Report("aws", c.Globals.ErrorFormat, 0)
	}
	return got
}

// chosen are the rows where we differ and mean to, by a part of the CLI's
// answer: see doc.go.
func chosen(row commandRow) bool {
	for _, part := range []string{
		"'in <string>' requires string as left operand", // --parameters fileb://
	} {
		if strings.Contains(row.Stderr, part) {
			return true
		}
	}
	return false
}

func TestCommandLinesAreTheCLIs(t *testing.T) {
	files := referenceFiles(t)
	for _, row := range rows[commandRow](t, "command.jsonl") {
		if chosen(row) {
			continue
		}
		if diff := cmp.Diff(row, run(row.Args, files)); diff != "" {
			t.Errorf("%q (-want +got)\n%s", row.Args, diff)
		}
	}
}
