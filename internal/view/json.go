package view

import (
	"io"

	"github.com/ssmrun/ssmrun/internal/event"
)

// NewJSON returns a view that writes each record as one line of JSON, at once.
// The writer should be a stream: a line is one Write.
func NewJSON(w io.Writer) View { return &jsonView{w: w} }

type jsonView struct {
	w   io.Writer
	buf []byte
	err error
}

func (v *jsonView) Record(rec event.Record) {
	if v.err != nil {
		return
	}
	if v.buf, v.err = rec.AppendJSON(v.buf[:0]); v.err != nil {
		return
	}
	v.buf = append(v.buf, '\n')
	_, v.err = v.w.Write(v.buf)
}

func (v *jsonView) Close() error { return v.err }
