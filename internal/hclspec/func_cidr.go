package hclspec

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// parsePrefix reads a CIDR prefix as Terraform does: each part of an IPv4
// address may have zeros before it.
func parsePrefix(s string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(withoutZeros(s))
	if err != nil || prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("invalid CIDR expression: invalid CIDR address: %s", s)
	}
	return prefix.Masked(), nil
}

func withoutZeros(s string) string {
	address, bits, found := strings.Cut(s, "/")
	if !found || strings.Contains(address, ":") {
		return s
	}
	parts := strings.Split(address, ".")
	for i, part := range parts {
		if trimmed := strings.TrimLeft(part, "0"); part != "" {
			parts[i] = trimmed
			if trimmed == "" {
				parts[i] = "0"
			}
		}
	}
	return strings.Join(parts, ".") + "/" + bits
}

func addressNumber(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }

// numberAddress is the address of n, with as many bits as like has.
func numberAddress(n *big.Int, like netip.Addr) netip.Addr {
	a, _ := netip.AddrFromSlice(n.FillBytes(make([]byte, like.BitLen()/8)))
	return a
}

// wholeNumber returns a number argument that has no fraction.
func wholeNumber(v cty.Value, i int) (*big.Int, error) {
	n, accuracy := v.AsBigFloat().Int(nil)
	if n == nil || accuracy != big.Exact || !numberSmall(v) {
		return nil, function.NewArgErrorf(i, "value must be a whole number")
	}
	return n, nil
}

func smallNumber(v cty.Value, i int) (int, error) {
	n, err := wholeNumber(v, i)
	if err != nil {
		return 0, err
	}
	if !n.IsInt64() || n.Int64() > 1<<30 || n.Int64() < -(1<<30) {
		return 0, function.NewArgErrorf(i, "value must be a whole number, between -1073741824 and 1073741824 inclusive")
	}
	return int(n.Int64()), nil
}

var cidrHostFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "prefix", Type: cty.String},
		{Name: "hostnum", Type: cty.Number},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		unknown := cty.UnknownVal(cty.String)
		host, err := wholeNumber(args[1], 1)
		if err != nil {
			return unknown, err
		}
		prefix, err := parsePrefix(args[0].AsString())
		if err != nil {
			return unknown, err
		}
		size := new(big.Int).Lsh(big.NewInt(1), uint(prefix.Addr().BitLen()-prefix.Bits()))
		n := new(big.Int).Set(host)
		if n.Sign() < 0 {
			n.Add(n, size) // counted from the end
		}
		if n.Sign() < 0 || n.Cmp(size) >= 0 {
			return unknown, fmt.Errorf("prefix of %d does not accommodate a host numbered %s", prefix.Bits(), host)
		}
		return cty.StringVal(numberAddress(n.Add(n, addressNumber(prefix.Addr())), prefix.Addr()).String()), nil
	},
})

var cidrNetmaskFunc = textFunc(func(s string) (string, error) {
	prefix, err := parsePrefix(s)
	if err != nil {
		return "", err
	}
	if prefix.Addr().Is6() {
		return "", errors.New("IPv6 addresses cannot have a netmask: " + s)
	}
	ones := new(big.Int).Sub(big.NewInt(1<<32), new(big.Int).Lsh(big.NewInt(1), uint(32-prefix.Bits())))
	return numberAddress(ones, prefix.Addr()).String(), nil
})

// subnet is the net numbered n of those that are newBits longer than base.
func subnet(base netip.Prefix, newBits int, n *big.Int) (netip.Prefix, error) {
	length := base.Bits() + newBits
	if newBits < 0 || length > base.Addr().BitLen() {
		return netip.Prefix{}, fmt.Errorf("insufficient address space to extend prefix of %d by %d", base.Bits(), newBits)
	}
	most := new(big.Int).Lsh(big.NewInt(1), uint(newBits))
	if n.Sign() < 0 || n.Cmp(most) >= 0 {
		return netip.Prefix{}, fmt.Errorf("prefix extension of %d does not accommodate a subnet numbered %s", newBits, n)
	}
	at := new(big.Int).Lsh(n, uint(base.Addr().BitLen()-length))
	at.Or(at, addressNumber(base.Addr()))
	return netip.PrefixFrom(numberAddress(at, base.Addr()), length), nil
}

var cidrSubnetFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "prefix", Type: cty.String},
		{Name: "newbits", Type: cty.Number},
		{Name: "netnum", Type: cty.Number},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		unknown := cty.UnknownVal(cty.String)
		newBits, err := smallNumber(args[1], 1)
		if err != nil {
			return unknown, err
		}
		n, err := wholeNumber(args[2], 2)
		if err != nil {
			return unknown, err
		}
		base, err := parsePrefix(args[0].AsString())
		if err != nil {
			return unknown, err
		}
		net, err := subnet(base, newBits, n)
		if err != nil {
			return unknown, err
		}
		return cty.StringVal(net.String()), nil
	},
})

// cidrSubnetsFunc allocates nets one after the other, each aligned to its size.
var cidrSubnetsFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "prefix", Type: cty.String}},
	VarParam:     &function.Parameter{Name: "newbits", Type: cty.Number},
	Type:         function.StaticReturnType(cty.List(cty.String)),
	RefineResult: notNull,
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		unknown := cty.UnknownVal(ty)
		base, err := parsePrefix(args[0].AsString())
		if err != nil {
			return unknown, function.NewArgError(0, err)
		}
		if len(args) == 1 {
			return cty.ListValEmpty(cty.String), nil
		}
		width := base.Addr().BitLen()
		next := addressNumber(base.Addr())
		end := new(big.Int).Add(next, new(big.Int).Lsh(big.NewInt(1), uint(width-base.Bits())))
		nets := make([]cty.Value, 0, len(args)-1)
		for i, arg := range args[1:] {
			newBits, err := smallNumber(arg, i+1)
			if err != nil {
				return unknown, err
			}
			length := base.Bits() + newBits
			switch {
			case newBits < 1:
				return unknown, function.NewArgErrorf(i+1, "must extend prefix by at least one bit")
			case newBits > 32:
				return unknown, function.NewArgErrorf(i+1, "may not extend prefix by more than 32 bits")
			case length > width:
				return unknown, function.NewArgErrorf(i+1,
					"would extend prefix to %d bits, which is too long for an %s address", length, family(base))
			}
			size := new(big.Int).Lsh(big.NewInt(1), uint(width-length))
			if rest := new(big.Int).Mod(next, size); rest.Sign() != 0 {
				next.Add(next, size).Sub(next, rest)
			}
			if new(big.Int).Add(next, size).Cmp(end) > 0 {
				return unknown, function.NewArgErrorf(i+1,
					"not enough remaining address space for a subnet with a prefix of %d bits after %s", length, nets[len(nets)-1].AsString())
			}
			nets = append(nets, cty.StringVal(netip.PrefixFrom(numberAddress(next, base.Addr()), length).String()))
			next.Add(next, size)
		}
		return cty.ListVal(nets), nil
	},
})

func family(p netip.Prefix) string {
	if p.Addr().Is6() {
		return "IPv6"
	}
	return "IPv4"
}
