package plan

// Recording is what Judge reads of one stream of an attempt. It is an
// io.Writer with bounded memory that never fails. It is for one writer.
type Recording struct {
	bytes int64
}

// Write takes the next bytes of the stream. It keeps no reference to p and
// never returns an error.
func (r *Recording) Write(p []byte) (int, error) {
	r.bytes += int64(len(p))
	return len(p), nil
}

// Bytes returns how many bytes were written, kept or not.
func (r *Recording) Bytes() int64 { return r.bytes }
