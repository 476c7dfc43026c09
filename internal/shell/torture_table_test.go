package shell

import (
	"bytes"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// count is of cells.
type count struct{ passed, failed, other int }

func countOf(columns []*column) (n count) {
	for _, col := range columns {
		for _, c := range col.cells {
			n.add(c)
		}
	}
	return n
}

func (n *count) add(c *cell) {
	switch {
	case c.why != "":
		n.other++
	case len(c.said) > 0:
		n.failed++
	default:
		n.passed++
	}
}

func (n count) String() string {
	switch {
	case n.failed > 0:
		return fmt.Sprintf("**%d of %d failed**", n.failed, n.passed+n.failed)
	case n.passed == 0:
		return "-"
	}
	return fmt.Sprint(n.passed)
}

// tableOf is the results as a page: kind by shell by guarantee, then every cell
// that failed, and every one that was not run and why.
func tableOf(columns []*column, began time.Time, at string) []byte {
	var b bytes.Buffer
	total := countOf(columns)
	fmt.Fprintf(&b, `# The torture suite

%d hostile steps, each in every kind of session, shell, step server and latency where it can be: %d cells in %d sessions, of which
%d passed and **%d failed**. Run on %s in %v, at commit %s, %s/%s.

    go test ./internal/shell -run '^TestTorture$' -torture -timeout 2h -torture.table "$PWD/docs/torture.md"

writes this page. docs/testing.md says what the rig is. A number is of cells that passed; a failing one is shown.

`, steps(), total.passed+total.failed, len(columns), total.passed, total.failed, began.UTC().Format("2006-01-02 15:04 UTC"),
		time.Since(began).Round(time.Second), at, runtime.GOOS, runtime.GOARCH)
	writeClaims(&b)
	writeRows(&b, columns)
	writeCells(&b, columns)
	return b.Bytes()
}

func steps() (n int) {
	for _, g := range guarantees() {
		n += len(g.cases)
	}
	return n
}

// commit is what the tests were built from, as far as git can tell.
func commit() string {
	hash, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	changed, _ := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output()
	if len(bytes.TrimSpace(changed)) > 0 {
		return trim(string(hash)) + " with changes"
	}
	return trim(string(hash))
}

func writeClaims(b *bytes.Buffer) {
	b.WriteString("| guarantee | what is promised | steps |\n|---|---|---|\n")
	for _, g := range guarantees() {
		fmt.Fprintf(b, "| %s | %s | %d |\n", g.name, g.claim, len(g.cases))
	}
}

// writeRows has a line for each column of the suite, latencies together.
func writeRows(b *bytes.Buffer, columns []*column) {
	b.WriteString("\n## Kind by shell by guarantee\n\n\"sh\" is what `sh` is on the target. The one-way latencies of a row are together in its cells.\n\n| kind | session's shell | sh | server | latency |")
	for _, g := range guarantees() {
		b.WriteString(" " + g.name + " |")
	}
	b.WriteString("\n|" + strings.Repeat("---|", 5+len(guarantees())) + "\n")
	var order []string
	rows := map[string][]*column{}
	for _, col := range columns {
		key := fmt.Sprintf("| %s | %s | %s | %s |", col.kind, or(col.shell), col.sh, or(col.server))
		if rows[key] == nil {
			order = append(order, key)
		}
		rows[key] = append(rows[key], col)
	}
	for _, key := range order {
		var latencies []string
		cells := map[string]*count{}
		for _, col := range rows[key] {
			latencies = append(latencies, col.latency.String())
			for _, c := range col.cells {
				if cells[c.guarantee] == nil {
					cells[c.guarantee] = &count{}
				}
				cells[c.guarantee].add(c)
			}
		}
		b.WriteString(key + " " + strings.Join(latencies, ", ") + " |")
		for _, g := range guarantees() {
			n := count{}
			if cells[g.name] != nil {
				n = *cells[g.name]
			}
			b.WriteString(" " + n.String() + " |")
		}
		b.WriteString("\n")
	}
}

func or(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// writeCells lists what failed and what was not run.
func writeCells(b *bytes.Buffer, columns []*column) {
	b.WriteString("\n## Cells that failed\n\n")
	reasons := map[string]bool{}
	none := true
	for _, col := range columns {
		for _, c := range col.cells {
			if c.why != "" {
				reasons[fmt.Sprintf("sh is %s, %q: %s", col.sh, strings.TrimPrefix(c.name, col.name()+" / "), c.why)] = true
			}
			if len(c.said) > 0 {
				none = false
				first, _, _ := strings.Cut(c.said[0], "\n")
				fmt.Fprintf(b, "* %s: `%s`\n", c.name, strings.ReplaceAll(fmt.Sprintf("%.200s", first), "`", "'"))
			}
		}
	}
	if none {
		b.WriteString("None.\n")
	}
	b.WriteString("\n## Cells that are not run\n\nThe shell itself makes something else of the script:\n\n")
	var list []string
	for reason := range reasons {
		list = append(list, "* "+reason+"\n")
	}
	slices.Sort(list)
	b.WriteString(strings.Join(list, ""))
	b.WriteString(`* sh is yash, sh server: yash keeps nothing in a variable that is not UTF-8, so the sh server refuses to start; perl and python3 run
* kind command: steps with input, another user or carried state, which that kind does not have
`)
}
