package plan

// Recording is what Judge reads of one stream of an attempt. It is an
// io.Writer with bounded memory.
type Recording struct{}
