package awscli

import (
	"fmt"
	"strings"
)

// An Output says how an answer is printed: --output, --query and --color. The
// zero value prints JSON.
type Output struct {
	Format string // json, text, table, yaml, yaml-stream or off
	Query  *Query // nil prints all
	Color  string // on, off or auto: of tables only

	Terminal bool // what is written to: auto colours only there
	Width    int  // of the terminal; 0 is 80
}

// Text returns what the CLI prints for the answer to an operation, whose name
// is the title of a table.
func (o *Output) Text(operation string, answer any) (string, error) {
	if o.Query != nil {
		var err error
		if answer, err = o.Query.Search(answer); err != nil {
			return "", err
		}
	}
	object, isObject := answer.(*Object)
	switch empty := isObject && object.Len() == 0; o.Format {
	case "off":
		return "", nil
	case "text":
		var w textWriter
		if err := w.item(answer, nil, nil); err != nil {
			return "", err
		}
		return w.out.String(), nil
	case "table":
		return o.table(operation, answer)
	case "yaml":
		if empty {
			return "", nil
		}
		return encodeYAML(answer), nil
	case "yaml-stream":
		if empty {
			return "", nil
		}
		return encodeYAML([]any{answer}), nil
	case "", "json":
		if empty {
			return "", nil
		}
		return encodeJSON(answer, true) + "\n", nil
	}
	return "", &Error{Exit: ExitGeneral, Message: "Unknown output type: " + o.Format}
}

// falsy is what Python takes for false.
func falsy(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case Int:
		return v == "0" || v == "-0"
	case float64:
		return v == 0
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case *Object:
		return v.Len() == 0
	}
	return false
}

func isScalar(v any) bool {
	switch v.(type) {
	case []any, *Object:
		return false
	}
	return true
}

// errMixed is the complaint about a list of objects and others, which neither
// text nor tables can show.
func errMixed(format string, v any) error {
	return &Error{Exit: ExitGeneral, Message: fmt.Sprintf("--output %s cannot show a list that holds objects and %s: use json",
		format, strings.Trim(strings.TrimPrefix(typeName(v), "<class "), "'>"))}
}
