package awscli

import (
	"fmt"
	"slices"
)

// table writes --output table: a section for each object or list, each in the
// frame of the one around it.
func (o *Output) table(title string, answer any) (string, error) {
	b := &tableBuilder{}
	built, err := b.build(title, true, answer, 0)
	if err != nil || !built {
		return "", err
	}
	width := o.Width
	if width <= 0 {
		width = 80
	}
	r := &tableRenderer{color: o.Color == "on" || o.Color != "off" && o.Terminal, reset: o.Color == "on"}
	return r.render(b.sections, width), nil
}

// A section is a title, at most one line of headers, and rows.
type section struct {
	title   string
	headers []string
	rows    [][]string
	indent  int
	widths  []int // the widest of each column
	columns int   // -1 before the first header or row
}

func (s *section) widen(row []string) {
	for i, cell := range row {
		if i == len(s.widths) {
			s.widths = append(s.widths, 0)
		}
		s.widths[i] = max(s.widths[i], displayWidth(cell))
	}
}

func (s *section) header(names []string) {
	if s.columns < 0 {
		s.columns = len(names)
	}
	s.widen(names)
	s.headers = names
}

func (s *section) row(cells []string) error {
	if s.columns < 0 {
		s.columns = len(cells)
	}
	if len(cells) != s.columns {
		return &Error{Exit: ExitGeneral, Message: fmt.Sprintf("Row should have %d elements, instead it has %d", s.columns, len(cells))}
	}
	s.rows = append(s.rows, cells)
	s.widen(cells)
	return nil
}

type tableBuilder struct{ sections []*section }

func (b *tableBuilder) open(title string, indent int) {
	b.sections = append(b.sections, &section{title: title, indent: indent, columns: -1})
}

func (b *tableBuilder) current() *section { return b.sections[len(b.sections)-1] }

// build adds a value, in a section of its own if it has a title, and says
// whether there was anything.
func (b *tableBuilder) build(title string, titled bool, v any, indent int) (bool, error) {
	if falsy(v) {
		return false, nil
	}
	if titled {
		b.open(title, indent)
	}
	switch v := v.(type) {
	case []any:
		if _, ok := v[0].(*Object); ok {
			return true, b.objects(v, indent, title, titled)
		}
		return true, b.list(v)
	case *Object:
		return true, b.object(v, indent)
	}
	return true, nil
}

func (b *tableBuilder) list(list []any) error {
	for _, v := range list {
		row, flat := cells(v)
		var err error
		if flat {
			err = b.current().row(row)
		} else {
			_, err = b.build("", false, v, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cells are the cells of a scalar or a list of scalars; of an object, where
// lists are expected, its keys.
func cells(v any) (row []string, flat bool) {
	switch v := v.(type) {
	case *Object:
		return v.Keys(), true
	case []any:
		row = []string{}
		for _, e := range v {
			if !isScalar(e) {
				return nil, false
			}
			row = append(row, str(e))
		}
		return row, true
	}
	return []string{str(v)}, true
}

// object adds a row of the scalars with their keys above, and sections for the
// others.
func (b *tableBuilder) object(o *Object, indent int) error {
	headers, more := groupKeys(o)
	row := make([]string, len(headers))
	for i, k := range headers {
		v, _ := o.Get(k)
		row[i] = str(v)
	}
	if len(headers) == 1 {
		row = []string{headers[0], row[0]}
	} else if len(headers) > 1 {
		b.current().header(headers)
	}
	if len(headers) > 0 {
		if err := b.current().row(row); err != nil {
			return err
		}
	}
	return b.inner(o, more, indent)
}

func (b *tableBuilder) inner(o *Object, keys []string, indent int) error {
	for _, k := range keys {
		if v, ok := o.Get(k); ok {
			if _, err := b.build(k, true, v, indent+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// objects adds a row for each object of a list; if some hold more than scalars,
// each row in a section of its own.
func (b *tableBuilder) objects(list []any, indent int, title string, titled bool) error {
	var headers, more []string
	for _, v := range list {
		o, ok := v.(*Object)
		if !ok {
			return errMixed("table", v)
		}
		h, m := groupKeys(o)
		headers, more = append(headers, h...), append(more, m...)
	}
	slices.Sort(headers)
	slices.Sort(more)
	headers, more = slices.Compact(headers), slices.Compact(more)
	b.current().header(headers)
	for i, v := range list {
		o := v.(*Object)
		if i > 0 && len(more) > 0 {
			b.open(title, indent)
			b.current().header(headers)
		}
		row := make([]string, len(headers))
		for j, k := range headers {
			if v, ok := o.Get(k); ok {
				row[j] = str(v)
			}
		}
		if err := b.current().row(row); err != nil {
			return err
		}
		if err := b.inner(o, more, indent); err != nil {
			return err
		}
	}
	return nil
}

func groupKeys(o *Object) (scalars, others []string) {
	for _, k := range slices.Sorted(slices.Values(o.Keys())) {
		if v, _ := o.Get(k); isScalar(v) {
			scalars = append(scalars, k)
		} else {
			others = append(others, k)
		}
	}
	return scalars, others
}
