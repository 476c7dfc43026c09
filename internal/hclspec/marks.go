package hclspec

// Mark is what rides on a value that is not for everybody's eyes.
type Mark string

// The marks of cty values. An ephemeral value has both: it is sensitive, and
// it may differ between plan and apply.
const (
	MarkSensitive = Mark("sensitive")
	MarkEphemeral = Mark("ephemeral")
)
