package awscli

import (
	"slices"
	"strings"
)

// textWriter writes --output text: values between tabs, and a line for each
// list or object inside that begins with its key in capitals.
type textWriter struct{ out strings.Builder }

// item writes a value under its key, nil for none. The columns are the keys of
// the objects in the list that the value is in, nil for its own.
func (w *textWriter) item(v any, key *string, columns []string) error {
	switch v := v.(type) {
	case *Object:
		return w.object(v, key, columns)
	case []any:
		return w.list(v, key)
	}
	w.out.WriteString(str(v) + "\n")
	return nil
}

func (w *textWriter) list(list []any, key *string) error {
	isObject := func(v any) bool { _, ok := v.(*Object); return ok }
	if slices.ContainsFunc(list, isObject) {
		columns, err := scalarColumns(list)
		if err != nil {
			return err
		}
		for _, v := range list {
			if err := w.item(v, key, columns); err != nil {
				return err
			}
		}
		return nil
	}
	var scalars []string
	for _, v := range list {
		if isScalar(v) {
			scalars = append(scalars, str(v))
		}
	}
	if key != nil {
		for _, s := range scalars {
			w.out.WriteString(strings.ToUpper(*key) + "\t" + s + "\n")
		}
	} else if scalars != nil {
		w.out.WriteString(strings.Join(scalars, "\t") + "\n")
	}
	for _, v := range list {
		if !isScalar(v) {
			if err := w.item(v, key, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// scalarColumns are the keys whose values are scalars in some object of a list.
func scalarColumns(list []any) ([]string, error) {
	columns := []string{}
	for _, v := range list {
		o, ok := v.(*Object)
		if !ok {
			return nil, errMixed("text", v)
		}
		for _, k := range o.Keys() {
			if value, _ := o.Get(k); isScalar(value) && !slices.Contains(columns, k) {
				columns = append(columns, k)
			}
		}
	}
	slices.Sort(columns)
	return columns, nil
}

func (w *textWriter) object(o *Object, key *string, columns []string) error {
	keys := slices.Sorted(slices.Values(o.Keys()))
	var scalars, others []string
	if columns == nil {
		for _, k := range keys {
			if v, _ := o.Get(k); isScalar(v) {
				scalars = append(scalars, str(v))
			} else {
				others = append(others, k)
			}
		}
	} else {
		for _, k := range columns {
			v, ok := o.Get(k)
			if !ok {
				v = ""
			}
			scalars = append(scalars, str(v))
		}
		others = slices.DeleteFunc(keys, func(k string) bool { return slices.Contains(columns, k) })
	}
	if scalars != nil {
		if key != nil {
			scalars = slices.Insert(scalars, 0, strings.ToUpper(*key))
		}
		w.out.WriteString(strings.Join(scalars, "\t") + "\n")
	}
	for _, k := range others {
		v, _ := o.Get(k)
		if err := w.item(v, &k, nil); err != nil {
			return err
		}
	}
	return nil
}
