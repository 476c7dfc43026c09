package awscli

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/jmespath-community/go-jmespath/pkg/functions"
	"github.com/jmespath-community/go-jmespath/pkg/interpreter"
	"github.com/jmespath-community/go-jmespath/pkg/parsing"
)

// A Query is a JMESPath expression of --query. It is the CLI's dialect: what
// the community added to the language later is refused, objects keep the order
// of their keys, and strings compare.
type Query struct {
	node    parsing.ASTNode
	unknown string // the first function that the CLI does not have
}

// dialect are the functions of the CLI's JMESPath.
var dialect = []string{
	"abs", "avg", "ceil", "contains", "ends_with", "floor", "join", "keys", "length", "map", "max", "max_by", "merge",
	"min", "min_by", "not_null", "reverse", "sort", "sort_by", "starts_with", "sum", "to_array", "to_number", "to_string",
	"type", "values",
}

// CompileQuery reads a value of --query. The complaint begins as the CLI's;
// the reason is the library's.
func CompileQuery(text string) (*Query, error) {
	if text == "" {
		return nil, invalid("Bad value for --query : Invalid JMESPath expression: cannot be empty.")
	}
	node, err := parseQuery(quoteLiterals(text))
	if err != nil {
		return nil, invalid("Bad value for --query %s: Invalid jmespath expression: %v", text, err)
	}
	q := &Query{}
	if q.node, err = q.adapt(node); err != nil {
		return nil, invalid("Bad value for --query %s: Invalid jmespath expression: %v", text, err)
	}
	return q, nil
}

// parseQuery stands between us and the library's lexer, which panics on an
// identifier that is followed by U+0080.
func parseQuery(text string) (node parsing.ASTNode, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the expression cannot be read: %v", r)
		}
	}()
	return parsing.NewParser().Parse(text)
}

// Search applies the query to a value.
func (q *Query) Search(v any) (result any, err error) {
	if q.unknown != "" {
		return nil, &Error{Exit: ExitGeneral, Message: "Unknown function: " + q.unknown + "()"}
	}
	defer func() { // the library asserts types that it did not check
		if r := recover(); r != nil {
			result, err = nil, &Error{Exit: ExitGeneral, Message: fmt.Sprintf("the query cannot be applied: %v", r)}
		}
	}()
	e := &evaluation{order: map[uintptr]*ordering{}}
	document := e.plain(v)
	found, err := interpreter.NewInterpreter(document, interpreter.NewFunctionCaller(e.functions()...), nil).Execute(q.node, document)
	if err != nil {
		return nil, &Error{Exit: ExitGeneral, Message: err.Error()}
	}
	return e.ordered(found), nil
}

// Names of our own functions, which no expression can hold.
const (
	fnHash    = "{}"
	fnList    = "[]"
	fnValues  = "*"
	fnCompare = "<"
)

// adapt refuses what the CLI does not know, and puts calls of our own
// functions in place of the nodes where the library differs: multi-select
// hashes and lists, which are null for null, object projections, which have an
// order, and comparisons, which take strings.
func (q *Query) adapt(node parsing.ASTNode) (parsing.ASTNode, error) {
	children := make([]parsing.ASTNode, len(node.Children))
	for i, child := range node.Children {
		var err error
		if children[i], err = q.adapt(child); err != nil {
			return node, err
		}
	}
	call := func(name string, arguments ...parsing.ASTNode) (parsing.ASTNode, error) {
		return parsing.ASTNode{NodeType: parsing.ASTFunctionExpression, Value: name, Children: arguments}, nil
	}
	literal := func(v any) parsing.ASTNode { return parsing.ASTNode{NodeType: parsing.ASTLiteral, Value: v} }
	here := parsing.ASTNode{NodeType: parsing.ASTCurrentNode}
	kind := node.NodeType
	switch kind {
	case parsing.ASTArithmeticExpression, parsing.ASTArithmeticUnaryExpression, parsing.ASTRootNode,
		parsing.ASTLetExpression, parsing.ASTVariable, parsing.ASTBindings, parsing.ASTBinding:
		return node, fmt.Errorf("arithmetic, $ and let are not part of the CLI's JMESPath")
	case parsing.ASTFunctionExpression:
		if name := node.Value.(string); !slices.Contains(dialect, name) && q.unknown == "" {
			q.unknown = name
		}
	case parsing.ASTMultiSelectHash:
		keys := make([]any, len(children))
		for i, child := range node.Children {
			keys[i] = child.Value
			children[i] = children[i].Children[0] // the value of the pair
		}
		return call(fnHash, append([]parsing.ASTNode{here, literal(keys)}, children...)...)
	case parsing.ASTMultiSelectList:
		return call(fnList, append([]parsing.ASTNode{here}, children...)...)
	case parsing.ASTValueProjection:
		values, _ := call(fnValues, children[0])
		children[0], kind = values, parsing.ASTProjection
	case parsing.ASTComparator:
		if operator := node.Value.(parsing.TokType); operator != parsing.TOKEQ && operator != parsing.TOKNE {
			return call(fnCompare, literal(operator), children[0], children[1])
		}
	}
	return parsing.ASTNode{NodeType: kind, Value: node.Value, Children: children}, nil
}

// An evaluation remembers the order of the keys of each map that goes through
// the library, by the map's identity; it holds the map, so that no other takes
// its place.
type evaluation struct{ order map[uintptr]*ordering }

type ordering struct {
	keys []string
	held map[string]any
}

func (e *evaluation) remember(m map[string]any, keys []string) map[string]any {
	e.order[reflect.ValueOf(m).Pointer()] = &ordering{keys, m}
	return m
}

// keys are those of a map in order: sorted, for one that a literal made.
func (e *evaluation) keys(m map[string]any) []string {
	if o, ok := e.order[reflect.ValueOf(m).Pointer()]; ok {
		return o.keys
	}
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// plain makes of a value what the library takes.
func (e *evaluation) plain(v any) any {
	switch v := v.(type) {
	case Int:
		f, _ := strconv.ParseFloat(string(v), 64)
		return f
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = e.plain(v[i])
		}
		return list
	case *Object:
		m := make(map[string]any, v.Len())
		for _, k := range v.Keys() {
			value, _ := v.Get(k)
			m[k] = e.plain(value)
		}
		return e.remember(m, v.Keys())
	}
	return v
}

// ordered makes a value of what the library gives. Its numbers are all
// floating; one without a fraction is shown as a whole number.
func (e *evaluation) ordered(v any) any {
	switch v := v.(type) {
	case float64:
		if v == float64(int64(v)) {
			return Int(strconv.FormatInt(int64(v), 10))
		}
		return v
	case int:
		return Int(strconv.Itoa(v))
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = e.ordered(v[i])
		}
		return list
	case map[string]any:
		o := &Object{}
		for _, k := range e.keys(v) {
			o.Set(k, e.ordered(v[k]))
		}
		return o
	case nil, bool, string:
		return v
	}
	return nil // an expression reference is no answer
}

// functions are the CLI's functions, with those that see the order of keys and
// our own as we do them.
func (e *evaluation) functions() []functions.FunctionEntry {
	object := []functions.ArgSpec{{Types: []functions.JpType{functions.JpObject}}}
	own := []functions.FunctionEntry{
		{Name: fnHash, Handler: e.hash},
		{Name: fnList, Handler: list},
		{Name: fnValues, Handler: e.project},
		{Name: fnCompare, Handler: compare},
		{Name: "values", Arguments: object, Handler: e.project},
		{Name: "keys", Arguments: object, Handler: e.names},
		{Name: "merge", Arguments: []functions.ArgSpec{{Types: object[0].Types, Variadic: true}}, Handler: e.merge},
	}
	for _, f := range functions.GetDefaultFunctions() {
		if slices.Contains(dialect, f.Name) && f.Name != "values" && f.Name != "keys" && f.Name != "merge" {
			own = append(own, f)
		}
	}
	return own
}

func (e *evaluation) hash(arguments []any) (any, error) {
	if arguments[0] == nil {
		return nil, nil
	}
	m, order := map[string]any{}, []string{}
	for i, k := range arguments[1].([]any) {
		key := k.(string)
		if _, ok := m[key]; !ok {
			order = append(order, key)
		}
		m[key] = arguments[2+i]
	}
	return e.remember(m, order), nil
}

func list(arguments []any) (any, error) {
	if arguments[0] == nil {
		return nil, nil
	}
	return arguments[1:], nil
}

func (e *evaluation) project(arguments []any) (any, error) {
	m, ok := arguments[0].(map[string]any)
	if !ok {
		return nil, nil
	}
	values := []any{}
	for _, k := range e.keys(m) {
		values = append(values, m[k])
	}
	return values, nil
}

func (e *evaluation) names(arguments []any) (any, error) {
	names := []any{}
	for _, k := range e.keys(arguments[0].(map[string]any)) {
		names = append(names, k)
	}
	return names, nil
}

func (e *evaluation) merge(arguments []any) (any, error) {
	m, order := map[string]any{}, []string{}
	for _, a := range arguments {
		from := a.(map[string]any)
		for _, k := range e.keys(from) {
			if _, ok := m[k]; !ok {
				order = append(order, k)
			}
			m[k] = from[k]
		}
	}
	return e.remember(m, order), nil
}
