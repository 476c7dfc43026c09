package hclspec

import "github.com/zclconf/go-cty/cty"

// Mark is what rides on a value that is not for everybody's eyes.
type Mark string

// The marks of cty values. An ephemeral value has both.
const (
	// MarkSensitive is on a value that is never shown or written.
	MarkSensitive = Mark("sensitive")
	// MarkEphemeral is on a value that is, besides, never stored in any form and
	// may differ between plan and apply.
	MarkEphemeral = Mark("ephemeral")
)

// GoString names the mark in test failures.
func (m Mark) GoString() string { return "hclspec.Mark(" + string(m) + ")" }

// IsSensitive reports whether v, or anything inside it, has one of our marks.
func IsSensitive(v cty.Value) bool {
	return hasMark(v, MarkSensitive) || hasMark(v, MarkEphemeral)
}

// IsEphemeral reports whether v, or anything inside it, is ephemeral.
func IsEphemeral(v cty.Value) bool { return hasMark(v, MarkEphemeral) }

func hasMark(v cty.Value, mark Mark) bool {
	if v == cty.NilVal || !v.ContainsMarked() {
		return false
	}
	_, marks := v.UnmarkDeep()
	_, marked := marks[mark]
	return marked
}
