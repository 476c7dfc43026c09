package view

import (
	"strings"
	"unicode/utf8"
)

// table aligns columns with two spaces between them. A column that is empty in
// every row takes no place. Cells are safe to print already; only the last one of
// a row may have colour.
func table(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	out := make([]string, len(rows))
	for r, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			if widths[i] == 0 {
				continue
			}
			b.WriteString(cell)
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		out[r] = strings.TrimRight(b.String(), " ")
	}
	return out
}
