package hclspec

import (
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

func md5Sum(b []byte) []byte    { sum := md5.Sum(b); return sum[:] }
func sha1Sum(b []byte) []byte   { sum := sha1.Sum(b); return sum[:] }
func sha256Sum(b []byte) []byte { sum := sha256.Sum256(b); return sum[:] }
func sha512Sum(b []byte) []byte { sum := sha512.Sum512(b); return sum[:] }

func hexText(sum []byte) string    { return hex.EncodeToString(sum) }
func base64Text(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

func digestFunc(sum func([]byte) []byte, text func([]byte) string) function.Function {
	return textFunc(func(s string) (string, error) { return text(sum([]byte(s))), nil })
}

// namespaces of RFC 4122, appendix C.
var namespaces = map[string]string{
	"dns":  "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
	"url":  "6ba7b811-9dad-11d1-80b4-00c04fd430c8",
	"oid":  "6ba7b812-9dad-11d1-80b4-00c04fd430c8",
	"x500": "6ba7b814-9dad-11d1-80b4-00c04fd430c8",
}

var uuidV5Func = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "namespace", Type: cty.String},
		{Name: "name", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		namespace := args[0].AsString()
		if known, ok := namespaces[namespace]; ok {
			namespace = known
		}
		space, err := hex.DecodeString(strings.ReplaceAll(namespace, "-", ""))
		if err != nil || len(space) != 16 || len(namespace) != 36 {
			return cty.UnknownVal(cty.String), errors.New("uuidv5() doesn't support namespace " + args[0].AsString())
		}
		id := sha1Sum(append(space, args[1].AsString()...))[:16]
		id[6] = id[6]&0x0f | 0x50 // version 5
		id[8] = id[8]&0x3f | 0x80 // RFC 4122
		text := hex.EncodeToString(id)
		return cty.StringVal(strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")), nil
	},
})

var rsaDecryptFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "ciphertext", Type: cty.String},
		{Name: "privatekey", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		secret, err := base64.StdEncoding.DecodeString(args[0].AsString())
		if err != nil {
			return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "failed to decode input: cipher text must be base64-encoded")
		}
		key, err := privateKey(args[1].AsString())
		if err != nil {
			return cty.UnknownVal(cty.String), function.NewArgError(1, err)
		}
		text, err := key.Decrypt(nil, secret, nil) // PKCS #1 v1.5, as Terraform
		if err != nil {
			return cty.UnknownVal(cty.String), errors.New("failed to decrypt: the key does not fit the cipher text")
		}
		return cty.StringVal(string(text)), nil
	},
})

// privateKey reads a PEM key. Its errors say nothing of the text.
func privateKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("failed to parse key: it is not PEM")
	}
	if block.Headers["DEK-Info"] != "" {
		return nil, errors.New("failed to parse key: password protected keys are not supported")
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
			return key, nil
		}
	case "PRIVATE KEY":
		if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := parsed.(*rsa.PrivateKey); ok {
				return key, nil
			}
			return nil, errors.New("invalid private key type: an RSA key is needed")
		}
	case "OPENSSH PRIVATE KEY":
		return nil, errors.New("failed to parse key: convert it with ssh-keygen -p -m PEM -f FILE")
	}
	return nil, errors.New("failed to parse key: it is no RSA private key")
}
