package hclspec

import (
	"bytes"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// hcl's parsers and evaluators are recursive, and a Go stack overflow cannot be
// recovered from: a file of 160 KB can kill the process
// (github.com/hashicorp/hcl/issues/809). So the tokens, which the scanner finds
// without recursion, are counted first.
const (
	maxDepth     = 200   // brackets, templates, directives and prefix operators inside one another
	maxOperators = 1000  // operators, conditions and indexes of one expression, which nest to the left
	maxExponent  = 5000  // of a number literal
	maxDigits    = 10000 // of a number literal
)

// level is what one open bracket, quote or template sequence holds.
type level struct {
	open      hclsyntax.TokenType
	prefix    int  // prefix operators in a row
	operators int  // operators since the last separator
	term      bool // the last token ended a term, so what follows is an operator
	control   bool // the next identifier is the keyword of a %{ directive
}

type prescanner struct {
	src    []byte
	shells hcl.Diagnostics // sequences that are meant for a shell
	levels []level
	depth  int // of levels, and their prefix operators
	ops    int // operators of all levels
	diags  hcl.Diagnostics
}

// maxShellFixes bounds how many times a file is scanned again.
const maxShellFixes = 20

// prescan refuses a configuration file that is nested too deeply. It complains
// about ${ and %{ that are meant for a shell or for curl, too, and returns the
// source with those made plain text of the same length, so that what else is
// wrong with the file can be found; when it returns nil the file must not be
// parsed.
func prescan(name string, src []byte) ([]byte, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	for range maxShellFixes {
		tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos)
		p := scanned(src, tokens)
		if p.diags.HasErrors() {
			return nil, append(diags, p.diags...)
		}
		if len(p.shells) == 0 {
			return src, diags
		}
		// What follows a wrong sequence may have been scanned wrongly, so each
		// pass believes its first only.
		diags = append(diags, p.shells[0])
		src = bytes.Clone(src)
		copy(src[p.shells[0].Subject.Start.Byte:], "__")
	}
	return nil, diags
}

// prescanTemplate is prescan for the text of a template.
func prescanTemplate(name string, src []byte) hcl.Diagnostics {
	tokens, _ := hclsyntax.LexTemplate(src, name, hcl.InitialPos)
	return prescanTokens(src, tokens)
}

// prescanExpression is prescan for one expression.
func prescanExpression(name string, src []byte) hcl.Diagnostics {
	tokens, _ := hclsyntax.LexExpression(src, name, hcl.InitialPos)
	return prescanTokens(src, tokens)
}

func prescanTokens(src []byte, tokens hclsyntax.Tokens) hcl.Diagnostics {
	p := scanned(src, tokens)
	return append(p.diags, p.shells...)
}

func scanned(src []byte, tokens hclsyntax.Tokens) *prescanner {
	p := &prescanner{src: src, levels: []level{{}}}
	for i := range tokens {
		p.token(&tokens[i])
		if p.depth > maxDepth {
			p.diags = append(p.diags, complaint(tokens[i].Range, "Nested too deeply",
				"Brackets, templates and prefix operators are more than %d deep here. Move parts into locals.", maxDepth))
			break
		}
		if p.ops > maxOperators {
			p.diags = append(p.diags, complaint(tokens[i].Range, "Expression too long",
				"This expression has more than %d operators. Move parts into locals.", maxOperators))
			break
		}
	}
	return p
}

func (p *prescanner) token(tok *hclsyntax.Token) {
	top := &p.levels[len(p.levels)-1]
	switch tok.Type {
	case hclsyntax.TokenOBrack:
		if top.term {
			p.operator(top) // an index
		}
		p.push(tok.Type)
	case hclsyntax.TokenOParen, hclsyntax.TokenOBrace, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
		p.push(tok.Type)
	case hclsyntax.TokenTemplateInterp:
		p.shell(tok)
		p.push(tok.Type)
	case hclsyntax.TokenTemplateControl:
		p.shell(tok)
		p.push(tok.Type)
		p.levels[len(p.levels)-1].control = true
	case hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCBrace, hclsyntax.TokenCQuote,
		hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
		p.pop()
	case hclsyntax.TokenComma:
		p.separate(top)
	case hclsyntax.TokenNewline:
		if top.open == hclsyntax.TokenOBrace || len(p.levels) == 1 {
			p.separate(top)
		}
	case hclsyntax.TokenIdent:
		if top.control {
			top.control = false
			p.directive(string(tok.Bytes))
			return
		}
		p.endTerm(top)
	case hclsyntax.TokenNumberLit:
		p.number(tok)
		p.endTerm(top)
	case hclsyntax.TokenBang, hclsyntax.TokenMinus:
		if top.term {
			p.operator(top)
			return
		}
		top.prefix++
		p.depth++
	case hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPlus, hclsyntax.TokenPercent,
		hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq,
		hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenAnd, hclsyntax.TokenOr,
		hclsyntax.TokenQuestion, hclsyntax.TokenColon:
		p.operator(top)
	}
}

func (p *prescanner) push(open hclsyntax.TokenType) {
	p.levels = append(p.levels, level{open: open})
	p.depth++
}

func (p *prescanner) pop() {
	if len(p.levels) == 1 {
		return
	}
	top := p.levels[len(p.levels)-1]
	p.levels = p.levels[:len(p.levels)-1]
	p.depth -= 1 + top.prefix
	p.ops -= top.operators
	p.endTerm(&p.levels[len(p.levels)-1])
}

func (p *prescanner) endTerm(top *level) {
	p.depth -= top.prefix
	top.prefix = 0
	top.term = true
}

func (p *prescanner) operator(top *level) {
	top.operators++
	top.term = false
	p.ops++
}

func (p *prescanner) separate(top *level) {
	p.depth -= top.prefix
	p.ops -= top.operators
	top.prefix, top.operators, top.term = 0, 0, false
}

// directive counts what %{ if } and %{ for } hold until their end as a level of
// its own, outside the sequence that has the keyword.
func (p *prescanner) directive(keyword string) {
	sequence := p.levels[len(p.levels)-1]
	switch keyword {
	case "if", "for":
		p.levels[len(p.levels)-1] = level{open: hclsyntax.TokenTemplateControl}
		p.levels = append(p.levels, sequence)
		p.depth++
	case "endif", "endfor":
		if n := len(p.levels); n > 2 && p.levels[n-2].open == hclsyntax.TokenTemplateControl {
			p.levels = append(p.levels[:n-2], sequence)
			p.depth--
		}
	}
}

// number refuses literals whose decimal form would fill the memory.
func (p *prescanner) number(tok *hclsyntax.Token) {
	if numberInBounds(tok.Bytes) {
		return
	}
	p.diags = append(p.diags, complaint(tok.Range, "Number too large",
		"A number may have at most %d digits and an exponent of at most %d.", maxDigits, maxExponent))
}

func numberInBounds(literal []byte) bool {
	if len(literal) > maxDigits {
		return false
	}
	i := bytes.IndexAny(literal, "eE")
	if i < 0 {
		return true
	}
	exponent, err := strconv.Atoi(string(bytes.TrimLeft(literal[i+1:], "+")))
	return err == nil && exponent >= -maxExponent && exponent <= maxExponent
}
