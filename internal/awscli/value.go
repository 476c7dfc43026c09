package awscli

// A value is what JSON and the shorthand can say: nil, bool, Int, float64,
// string, Bytes, []any and *Object. Go's own decoding would lose the order of
// keys and the difference between 1 and 1.0, and both show in what the CLI
// prints.

// An Int is a whole number of any size, as decimal digits with an optional
// minus sign.
type Int string

// Bytes are the contents of a fileb:// file. No option of start-session takes
// them, and the complaint says so.
type Bytes []byte

// An Object is a JSON object that keeps the order of its keys. The zero value
// is empty and ready to use.
type Object struct {
	keys   []string
	values map[string]any

	// ordered marks what the CLI reads into Python's OrderedDict, whose name
	// shows in complaints about types.
	ordered bool
}

// NewObject makes an object of alternating keys and values.
func NewObject(pairs ...any) *Object {
	o := &Object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// Len says how many keys there are.
func (o *Object) Len() int { return len(o.keys) }

// Keys returns the keys in order. The caller must not change the slice.
func (o *Object) Keys() []string { return o.keys }

// Get returns the value of a key.
func (o *Object) Get(key string) (any, bool) {
	v, ok := o.values[key]
	return v, ok
}

// Set gives a key its value. A key that is there already keeps its place.
func (o *Object) Set(key string, value any) {
	if _, ok := o.values[key]; !ok {
		if o.values == nil {
			o.values = map[string]any{}
		}
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}
