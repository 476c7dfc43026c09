package awscli

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// The tables in testdata were made by giving generated inputs to AWS CLI
// 2.36.7 under Python 3.13: one JSON object a line, input and what came out.

// rows reads a table.
func rows[T any](t testing.TB, name string) []T {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []T
	lines := bufio.NewScanner(file)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		var row T
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, lines.Bytes())
		}
		all = append(all, row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestJSONIsPythons(t *testing.T) {
	for _, row := range rows[struct{ In, Out, Error string }](t, "json.jsonl") {
		got, err := decodeJSON(row.In, false)
		if err != nil && err.Error() != row.Error || err == nil && row.Error != "" {
			t.Errorf("%q\n got %v\nwant %s", row.In, err, row.Error)
		} else if err == nil && encodeJSON(got, false) != row.Out {
			t.Errorf("%q\n got %s\nwant %s", row.In, encodeJSON(got, false), row.Out)
		}
	}
}

func TestOutputIsTheCLIs(t *testing.T) {
	type outputRow struct {
		Format, Color, Value, Out, Error string
		Width                            int
	}
	for _, row := range rows[outputRow](t, "output.jsonl") {
		value, err := decodeJSON(row.Value, false)
		if err != nil {
			t.Fatal(err)
		}
		o := Output{Format: row.Format, Color: row.Color, Width: row.Width}
		got, err := o.Text(operation, value)
		if (err != nil) != (row.Error != "") {
			t.Errorf("%s %s\n got %q, %v\nwant %q, %s", row.Format, row.Value, got, err, row.Out, row.Error)
		} else if err == nil && got != row.Out {
			t.Errorf("%s %s\n got %q\nwant %q", row.Format, row.Value, got, row.Out)
		}
	}
}

func TestQueriesAreTheCLIs(t *testing.T) {
	for _, row := range rows[struct{ Query, Doc, Out, Error, Bad string }](t, "query.jsonl") {
		document, err := decodeJSON(row.Doc, false)
		if err != nil {
			t.Fatal(err)
		}
		q, err := CompileQuery(row.Query)
		if (err != nil) != (row.Bad != "") {
			t.Errorf("%s: got %v, want %s", row.Query, err, row.Bad)
			continue
		}
		if err != nil {
			continue
		}
		got, err := q.Search(document)
		if (err != nil) != (row.Error != "") {
			t.Errorf("%s: got %v, want %s%s", row.Query, err, row.Error, row.Out)
		} else if err == nil && encodeJSON(got, false) != row.Out {
			t.Errorf("%s\n got %s\nwant %s", row.Query, encodeJSON(got, false), row.Out)
		}
	}
}
