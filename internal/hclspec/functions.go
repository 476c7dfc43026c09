package hclspec

import (
	"maps"

	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// FunctionOptions says where functions read from. The zero value works.
type FunctionOptions struct {
	Files *Snapshot // of the file functions; nil: NewSnapshot(".")
}

// Functions returns the functions that expressions may call, by name: those of
// Terraform 1.11, each also as core::name, and shellquote and powershellquote.
// timestamp, plantimestamp, uuid and bcrypt are there and always fail, because
// their results would differ between plan and run.
func Functions(opts FunctionOptions) map[string]function.Function {
	if opts.Files == nil {
		opts.Files = NewSnapshot(".")
	}
	return functionTable(functionSource{files: opts.Files})
}

// functionSource is where functions read files: without files, file functions
// return unknown values, for a runbook that is only being checked.
type functionSource struct {
	files *Snapshot
}

func functionTable(src functionSource) map[string]function.Function {
	table := scalarFunctions()
	maps.Copy(table, collectionFunctions())
	maps.Copy(table, encodingFunctions())
	maps.Copy(table, fileFunctions(src.files))
	for name, fn := range table {
		if name != "try" && name != "can" { // their arguments are expressions
			table[name] = discreet(fn)
		}
	}
	inner := withoutTemplates(table)
	table["templatefile"] = templateFile(src.files, inner)
	table["templatestring"] = templateString(inner)
	namespaced := make(map[string]function.Function, 2*len(table))
	for name, fn := range table {
		namespaced[name] = fn
		if name != "shellquote" && name != "powershellquote" {
			namespaced["core::"+name] = fn
		}
	}
	return namespaced
}

// scalarFunctions work on numbers, text, times and networks.
func scalarFunctions() map[string]function.Function {
	return map[string]function.Function{
		"abs":      stdlib.AbsoluteFunc,
		"ceil":     stdlib.CeilFunc,
		"floor":    stdlib.FloorFunc,
		"log":      stdlib.LogFunc,
		"max":      stdlib.MaxFunc,
		"min":      stdlib.MinFunc,
		"parseint": stdlib.ParseIntFunc,
		"pow":      stdlib.PowFunc,
		"signum":   stdlib.SignumFunc,
		"sum":      sumFunc,

		// Text.
		"chomp":       stdlib.ChompFunc,
		"endswith":    endsWithFunc,
		"format":      growing(stdlib.FormatFunc, formatWidths),
		"formatlist":  growing(stdlib.FormatListFunc, formatWidths),
		"indent":      growing(stdlib.IndentFunc, indentGrowth),
		"join":        growing(stdlib.JoinFunc, joinGrowth),
		"lower":       stdlib.LowerFunc,
		"regex":       stdlib.RegexFunc,
		"regexall":    stdlib.RegexAllFunc,
		"replace":     replaceFunc,
		"split":       stdlib.SplitFunc,
		"startswith":  startsWithFunc,
		"strcontains": strContainsFunc,
		"strrev":      stdlib.ReverseFunc,
		"substr":      stdlib.SubstrFunc,
		"title":       stdlib.TitleFunc,
		"trim":        stdlib.TrimFunc,
		"trimprefix":  stdlib.TrimPrefixFunc,
		"trimspace":   stdlib.TrimSpaceFunc,
		"trimsuffix":  stdlib.TrimSuffixFunc,
		"upper":       stdlib.UpperFunc,

		// Networks.
		"cidrhost":    cidrHostFunc,
		"cidrnetmask": cidrNetmaskFunc,
		"cidrsubnet":  cidrSubnetFunc,
		"cidrsubnets": cidrSubnetsFunc,

		// Time.
		"formatdate":    stdlib.FormatDateFunc,
		"plantimestamp": impure("plantimestamp", "Use run.started_at", 0, 0),
		"timeadd":       stdlib.TimeAddFunc,
		"timecmp":       timeCompareFunc,
		"timestamp":     impure("timestamp", "Use run.started_at", 0, 0),
	}
}

// collectionFunctions work on collections, types and marks.
func collectionFunctions() map[string]function.Function {
	return map[string]function.Function{
		"alltrue":         allTrueFunc,
		"anytrue":         anyTrueFunc,
		"chunklist":       stdlib.ChunklistFunc,
		"coalesce":        coalesceFunc,
		"coalescelist":    stdlib.CoalesceListFunc,
		"compact":         stdlib.CompactFunc,
		"concat":          growing(stdlib.ConcatFunc, nil),
		"contains":        stdlib.ContainsFunc,
		"distinct":        distinctFunc,
		"element":         stdlib.ElementFunc,
		"flatten":         growing(stdlib.FlattenFunc, nil),
		"index":           indexFunc,
		"keys":            stdlib.KeysFunc,
		"length":          lengthFunc,
		"lookup":          lookupFunc,
		"matchkeys":       matchKeysFunc,
		"merge":           growing(stdlib.MergeFunc, nil),
		"one":             oneFunc,
		"range":           stdlib.RangeFunc,
		"reverse":         stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc,
		"setproduct":      growing(stdlib.SetProductFunc, productGrowth),
		"setsubtract":     stdlib.SetSubtractFunc,
		"setunion":        growing(stdlib.SetUnionFunc, nil),
		"slice":           stdlib.SliceFunc,
		"sort":            stdlib.SortFunc,
		"transpose":       transposeFunc,
		"values":          stdlib.ValuesFunc,
		"zipmap":          stdlib.ZipmapFunc,

		// Types and marks.
		"can":             canFunc,
		"ephemeralasnull": ephemeralAsNullFunc,
		"issensitive":     isSensitiveFunc,
		"nonsensitive":    nonSensitiveFunc,
		"sensitive":       sensitiveFunc,
		"tobool":          conversionFunc(cty.Bool),
		"tolist":          conversionFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":           conversionFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber":        conversionFunc(cty.Number),
		"toset":           conversionFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring":        conversionFunc(cty.String),
		"try":             tryFunc,
	}
}

// encodingFunctions make one form of a text from another, digests and quotes
// among them.
func encodingFunctions() map[string]function.Function {
	return map[string]function.Function{
		"base64decode":     base64DecodeFunc,
		"base64encode":     base64EncodeFunc,
		"base64gzip":       base64GzipFunc,
		"csvdecode":        stdlib.CSVDecodeFunc,
		"jsondecode":       jsonDecodeFunc,
		"jsonencode":       growing(stdlib.JSONEncodeFunc, nil),
		"textdecodebase64": textDecodeBase64Func,
		"textencodebase64": textEncodeBase64Func,
		"urlencode":        urlEncodeFunc,
		"yamldecode":       growing(yaml.YAMLDecodeFunc, yamlGrowth),
		"yamlencode":       growing(yaml.YAMLEncodeFunc, nil),

		// Digests and identifiers.
		"base64sha256": digestFunc(sha256Sum, base64Text),
		"base64sha512": digestFunc(sha512Sum, base64Text),
		"bcrypt":       impure("bcrypt", "Hash on the target instead, or pass the hash as a variable", 1, 2),
		"md5":          digestFunc(md5Sum, hexText),
		"rsadecrypt":   rsaDecryptFunc,
		"sha1":         digestFunc(sha1Sum, hexText),
		"sha256":       digestFunc(sha256Sum, hexText),
		"sha512":       digestFunc(sha512Sum, hexText),
		"uuid":         impure("uuid", "Use run.id, which is unique for each run, or uuidv5", 0, 0),
		"uuidv5":       uuidV5Func,

		// Quoting for shells.
		"powershellquote": powerShellQuoteFunc,
		"shellquote":      shellQuoteFunc,
	}
}
