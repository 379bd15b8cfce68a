package httpapi

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// bodyParser reads JSON strictly: unlike encoding/json before version 2, jsontext refuses duplicate names and text that
// is no UTF-8, which would otherwise make one key of two different ones. It reads token by token and goes only as deep as
// a call's fields do.
type bodyParser struct {
	tokens  *jsontext.Decoder
	body    bytes.Buffer
	example string // what the body could be, for the message about one that is empty
	policy  string // the name that was read last: in a batch, and from call to call, it is mostly the same
}

// mostName is more than the length of every legal name of a policy.
const mostName = 64

// bodyParsers are those that nobody uses, with the memory that their decoders have come to.
var bodyParsers = sync.Pool{New: func() any { return &bodyParser{tokens: new(jsontext.Decoder)} }}

// newBodyParser returns a parser of a body, which it overwrites. Whoever has a parser for each check gives it back.
func newBodyParser(body []byte, example string) *bodyParser {
	p := bodyParsers.Get().(*bodyParser)
	p.body, p.example = *bytes.NewBuffer(body), example
	p.tokens.Reset(&p.body)
	return p
}

// giveBack is called last: nothing that the parser has read is in its memory any more.
func (p *bodyParser) giveBack() {
	p.body = bytes.Buffer{}
	if len(p.policy) > mostName {
		p.policy = ""
	}
	bodyParsers.Put(p)
}

// object reads an object. Field is called after each name and reads its value; it returns false for a name that it does
// not know. Fields are all names, for the message then.
func (p *bodyParser) object(fields string, field func(name string) (known bool, err error)) error {
	if _, err := p.token('{', "an object"); err != nil {
		return err
	}
	for p.tokens.PeekKind() != '}' {
		token, err := p.token('"', "a name")
		if err != nil {
			return err
		}
		known, err := field(fieldOf(token))
		if err != nil {
			return err
		}
		if !known {
			return p.fault(malformedBody, "there is no such field here; it must be one of %s", fields)
		}
	}
	_, err := p.token('}', "an object")
	return err
}

// list reads an array. Element is called before each element and reads it.
func (p *bodyParser) list(element func() error) error {
	if _, err := p.token('[', "a list"); err != nil {
		return err
	}
	for p.tokens.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := p.token(']', "a list")
	return err
}

// fieldOf returns the name of a field: of a check, without making another text of it each time.
func fieldOf(name jsontext.Token) string {
	switch name.String() {
	case "policy":
		return "policy"
	case "key":
		return "key"
	case "cost":
		return "cost"
	case "checks":
		return "checks"
	}
	return name.String()
}

func (p *bodyParser) text() (string, error) {
	token, err := p.token('"', "a text")
	if err != nil {
		return "", err
	}
	return token.String(), nil
}

// policyName reads a text that is most likely the same as the last time.
func (p *bodyParser) policyName() (string, error) {
	token, err := p.token('"', "a text")
	if err != nil {
		return "", err
	}
	if token.String() != p.policy {
		p.policy = token.String()
	}
	return p.policy, nil
}

// integer reads a number that is written as a whole one: not 1.0 and not 1e3, which are the same in JSON, but are not
// what a caller writes who knows that it is whole. What says which one, for the message.
func (p *bodyParser) integer(what string) (int64, error) {
	token, err := p.token('0', what)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(token.String(), 10, 64)
	if err != nil {
		return 0, p.fault(invalidValue, "it is %.64s; it must be %s", token.String(), what)
	}
	return n, nil
}

// document reads an object as it stands, whatever is in it, with names that are there once.
func (p *bodyParser) document() (jsontext.Value, error) {
	if kind := p.tokens.PeekKind(); kind != '{' && kind != jsontext.KindInvalid {
		_, err := p.token('{', "an object")
		return nil, err
	}
	value, err := p.tokens.ReadValue()
	if err != nil {
		return nil, p.unread(err)
	}
	return value.Clone(), nil
}

// end refuses whatever follows the body's object.
func (p *bodyParser) end() error {
	if _, err := p.tokens.ReadToken(); err == nil {
		return newProblem(malformedBody, "another value follows the object; send one object")
	} else if err != io.EOF {
		return newProblem(malformedBody, "something follows the object that is no JSON; send one object")
	}
	return nil
}

// token reads the next token, which must be of that kind.
func (p *bodyParser) token(kind jsontext.Kind, what string) (jsontext.Token, error) {
	token, err := p.tokens.ReadToken()
	switch {
	case err != nil:
		return token, p.unread(err)
	case token.Kind() != kind:
		return token, p.fault(malformedBody, "it is %s; it must be %s", kindName(token.Kind()), what)
	}
	return token, nil
}

// unread is the problem of what the decoder could not read.
func (p *bodyParser) unread(err error) *Problem {
	switch {
	case err == io.EOF:
		return newProblem(malformedBody, "the body is empty; send a JSON object, such as %s", p.example)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return newProblem(malformedBody, "the body ends before its JSON object does: send the whole of it")
	}
	syntax := (*jsontext.SyntacticError)(nil)
	if !errors.As(err, &syntax) { // the body is in memory, reading it does not fail
		return newProblem(malformedBody, "the body could not be read: %s", err)
	}
	field, problem := fieldName(syntax.JSONPointer), syntax.Err.Error()
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return newFault(malformedBody, field, "it is given twice; give it once")
	case strings.Contains(problem, "UTF-8"), strings.Contains(problem, "surrogate"):
		return newFault(malformedBody, field, "it is no Unicode text: %s after byte %d; a key of other bytes goes into key_base64",
			problem, syntax.ByteOffset)
	}
	return newFault(malformedBody, field, "it is no JSON: %s after byte %d", problem, syntax.ByteOffset)
}

// fault is a problem with what was read last.
func (p *bodyParser) fault(kind problemKind, format string, args ...any) *Problem {
	return newFault(kind, fieldName(p.tokens.StackPointer()), format, args...)
}

// faultIn is a problem with a field of the object that was read last.
func (p *bodyParser) faultIn(field, problem string) *Problem {
	if object := fieldName(p.tokens.StackPointer()); object != "" {
		field = object + "." + field
	}
	return newFault(malformedBody, field, "%s", problem)
}

// fieldName spells a place as the rest of Sluice does: "checks[3].cost".
func fieldName(pointer jsontext.Pointer) string {
	var b strings.Builder
	for name := range pointer.Tokens() {
		switch _, err := strconv.Atoi(name); {
		case err == nil:
			b.WriteString("[" + name + "]")
		case b.Len() > 0:
			b.WriteString("." + fieldText(name))
		default:
			b.WriteString(fieldText(name))
		}
	}
	return b.String()
}

// fieldText cuts a name that a caller made up to a length that can be sent back.
func fieldText(name string) string {
	const most = 64
	return name[:min(len(name), most)]
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "a text"
	case '0':
		return "a number"
	case 't', 'f':
		return "true or false"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 'n':
		return "null"
	}
	return "the end of what it is in"
}
