package filesource

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of what is read. The YAML parser takes time and memory by the square of depth and of the entries of one
// mapping, so both are counted before it runs.
const (
	maxBytes   = 1 << 20
	maxDepth   = 16
	maxEntries = 10_000 // of one mapping or list
)

// place is where something stands in the file. The zero place is nowhere.
type place struct{ line, column int }

func placeOf(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{}
	}
	return place{t.Position.Line, t.Position.Column}
}

// document returns the one YAML document that the data is, or nil where it cannot be read or holds nothing, which is
// then a fault.
func (r *reader) document(data []byte) ast.Node {
	if len(data) > maxBytes {
		r.fault(place{}, "", "it has more than %d bytes, which is the most that a configuration file can have", maxBytes)
		return nil
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		r.fault(place{1, 1}, "", "it is UTF-16; save it as UTF-8")
		return nil
	}
	if !r.readable(text) {
		return nil
	}
	tokens := lexer.Tokenize(lineBreaks.Replace(text))
	if t, problem := beyondBounds(tokens); problem != "" {
		r.fault(placeOf(t), "", "%s", problem)
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // the reader finds them with their paths
	if err != nil {
		r.syntax(err)
		return nil
	}
	return r.onlyDocument(file)
}

// lineBreaks makes every line break that YAML knows the one that the parser counts rightly.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// readable reports whether the text is UTF-8 without control characters; what is not is a fault.
func (r *reader) readable(text string) bool {
	line, column := 1, 0
	for i, c := range text {
		column++
		switch {
		case c == '\n', c == '\r' && !strings.HasPrefix(text[i:], "\r\n"):
			line, column = line+1, 0
		case c == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			r.fault(place{line, column}, "", "the byte 0x%02x is not UTF-8; save the file as UTF-8", text[i])
			return false
		case unicode.IsControl(c) && c != '\t' && c != '\r':
			r.fault(place{line, column}, "", "there is a control character, %U; take it out", c)
			return false
		}
	}
	return true
}

// beyondBounds returns the token that goes beyond maxDepth or maxEntries, and what is wrong with it.
func beyondBounds(tokens token.Tokens) (*token.Token, string) {
	type level struct{ column, entries int }
	var (
		levels []level // the block mappings and lists that are open, by the columns of their entries
		flow   int     // how many of [ and { are open
	)
	for _, t := range tokens {
		at := t
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(0, flow-1)
		case token.MappingValueType:
			if t.Prev != nil {
				at = t.Prev // the key
			}
			fallthrough
		case token.SequenceEntryType, token.MappingKeyType:
			if flow > 0 {
				continue
			}
			column := at.Position.Column
			for len(levels) > 0 && levels[len(levels)-1].column > column {
				levels = levels[:len(levels)-1]
			}
			if len(levels) == 0 || levels[len(levels)-1].column < column {
				levels = append(levels, level{column: column})
			}
			last := &levels[len(levels)-1]
			if last.entries++; last.entries > maxEntries {
				return at, fmt.Sprintf("there are more than %d entries side by side; split them between several servers or policies", maxEntries)
			}
		}
		if flow+len(levels) > maxDepth {
			return at, fmt.Sprintf("it is nested more than %d deep; no field is", maxDepth)
		}
	}
	return nil, ""
}

// onlyDocument returns the content of a file's one document.
func (r *reader) onlyDocument(file *ast.File) (content ast.Node) {
	documents := 0
	for _, doc := range file.Docs {
		if directive, ok := doc.Body.(*ast.DirectiveNode); ok {
			r.fault(placeOf(directive.GetToken()), "", "a YAML directive is not read here; take the line out")
			continue
		}
		if documents++; documents == 2 {
			r.fault(placeOf(doc.Start), "", "a second document begins here; a configuration file is one: take this line out, or what follows")
		}
		if content == nil {
			content = doc.Body
		}
	}
	if content == nil && len(r.faults) == 0 {
		r.fault(place{}, "", "it is empty; write fields such as policies, or start without a configuration file")
	}
	return content
}

// hints say what would be right, by a part of the parser's message.
var hints = []struct{ message, hint string }{
	{"mapping value is not allowed", `put text that holds ": " in quotes, and begin the fields of one mapping in the same column`},
	{"value is not allowed", "begin what belongs together in the same column"},
	{"non-map value", `write "name: value", and begin the fields of one mapping in the same column`},
	{"reserved character", "put the text in quotes"},
	{"not found", "close what is opened here"},
	{"could not find", "close what is opened here"},
}

// syntax takes an error of the YAML parser.
func (r *reader) syntax(err error) {
	var located interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &located) {
		r.fault(place{}, "", "it is not YAML: %v", err)
		return
	}
	problem := "it is not YAML: " + located.GetMessage()
	if strings.Contains(problem, "\t") {
		problem = "it is not YAML: there is a tab; indent by spaces"
	}
	for _, h := range hints {
		if strings.Contains(located.GetMessage(), h.message) {
			problem += "; " + h.hint
			break
		}
	}
	r.fault(placeOf(located.GetToken()), "", "%s", problem)
}
