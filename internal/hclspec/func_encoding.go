package hclspec

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
)

var (
	base64EncodeFunc = textFunc(func(s string) (string, error) {
		return base64.StdEncoding.EncodeToString([]byte(s)), nil
	})
	base64DecodeFunc = textFunc(func(s string) (string, error) {
		raw, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return "", errors.New("failed to decode base64 data")
		}
		if !utf8.Valid(raw) {
			return "", errors.New("the result of decoding the provided string is not valid UTF-8")
		}
		return string(raw), nil
	})
	urlEncodeFunc = textFunc(func(s string) (string, error) { return url.QueryEscape(s), nil })

	base64GzipFunc = textFunc(func(s string) (string, error) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(s)); err != nil {
			return "", err
		}
		// A flush before the end, as Terraform writes it, so that the same text
		// has the same bytes.
		if err := w.Flush(); err != nil {
			return "", err
		}
		if err := w.Close(); err != nil {
			return "", err
		}
		return base64.StdEncoding.EncodeToString(b.Bytes()), nil
	})
)

// jsonDecodeFunc refuses documents that are nested too deeply.
var jsonDecodeFunc = growing(stdlib.JSONDecodeFunc, func(args []cty.Value) (int, error) {
	if args[0].Type() != cty.String {
		return 0, nil
	}
	if err := jsonDepth(args[0].AsString()); err != nil {
		return 0, function.NewArgError(0, err)
	}
	return 0, nil
})

func charset(name string) (encoding.Encoding, error) {
	enc, err := ianaindex.IANA.Encoding(name)
	if err != nil || enc == nil {
		return nil, function.NewArgErrorf(1, "%q is not a supported IANA encoding name or alias", name)
	}
	return enc, nil
}

func encodingName(enc encoding.Encoding, given string) string {
	if name, err := ianaindex.IANA.Name(enc); err == nil {
		return name
	}
	return given
}

var textEncodeBase64Func = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "string", Type: cty.String},
		{Name: "encoding", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		name := args[1].AsString()
		enc, err := charset(name)
		if err != nil {
			return cty.UnknownVal(cty.String), err
		}
		raw, err := enc.NewEncoder().Bytes([]byte(args[0].AsString()))
		if err != nil {
			return cty.UnknownVal(cty.String), function.NewArgErrorf(0,
				"the given string contains characters that cannot be represented in %s", encodingName(enc, name))
		}
		return cty.StringVal(base64.StdEncoding.EncodeToString(raw)), nil
	},
})

var textDecodeBase64Func = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "source", Type: cty.String},
		{Name: "encoding", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		name := args[1].AsString()
		enc, err := charset(name)
		if err != nil {
			return cty.UnknownVal(cty.String), err
		}
		raw, err := base64.StdEncoding.DecodeString(args[0].AsString())
		var corrupt base64.CorruptInputError
		switch {
		case errors.As(err, &corrupt):
			return cty.UnknownVal(cty.String), function.NewArgErrorf(0,
				"the given value is has an invalid base64 symbol at offset %d", int(corrupt))
		case err != nil:
			return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "invalid source string: %w", err)
		}
		text, err := enc.NewDecoder().Bytes(raw)
		if err != nil || bytes.ContainsRune(text, '�') {
			return cty.UnknownVal(cty.String), function.NewArgErrorf(0,
				"the given string contains symbols that are not defined for %s", encodingName(enc, name))
		}
		return cty.StringVal(string(text)), nil
	},
})

// impure makes a function that only says what to use instead.
func impure(name, instead string, least, most int) function.Function {
	spec := &function.Spec{
		Type: func([]cty.Value) (cty.Type, error) {
			return cty.NilType, fmt.Errorf("%s() has another result each time, so a plan could not be kept. %s", name, instead)
		},
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return cty.NilVal, errors.New(instead) },
	}
	for range least {
		spec.Params = append(spec.Params, function.Parameter{Name: "arg", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true, AllowNull: true})
	}
	if most > least {
		spec.VarParam = &function.Parameter{Name: "arg", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true, AllowNull: true}
	}
	return function.New(spec)
}
