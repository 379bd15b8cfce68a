package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/sluice-project/sluice"
)

// Override is the limits that hold for one key in the place of its policy's, as JSON.
type Override struct {
	Limits NamedLimits `json:"limits"`
	// Until is when the policy's own limits hold again, by the store's clock; zero is never.
	Until time.Time `json:"until,omitzero"`
}

// OverriddenKey is an entry of the list of overrides, as JSON.
type OverriddenKey struct {
	// Key is the key, where it is UTF-8; else KeyBase64 is.
	Key       string `json:"key,omitzero"`
	KeyBase64 []byte `json:"key_base64,omitzero"`
	Override
}

// NamedLimits are limits as a JSON object of names and texts in their order, which is that of denied_by.
type NamedLimits []sluice.Limit

// MarshalJSONTo writes the object.
func (limits NamedLimits) MarshalJSONTo(e *jsontext.Encoder) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, l := range limits {
		if err := e.WriteToken(jsontext.String(l.Name())); err != nil {
			return err
		}
		if err := e.WriteToken(jsontext.String(l.String())); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}

// UnmarshalJSONFrom reads what MarshalJSONTo writes.
func (limits *NamedLimits) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	read, err := (&bodyParser{tokens: d}).namedLimits()
	*limits = read
	return err
}

// newOverride returns the override of a key; nil where it has none.
func newOverride(o *sluice.Override) *Override {
	if o == nil {
		return nil
	}
	override := &Override{Limits: o.Limits}
	if o.Until != 0 {
		override.Until = instant(o.Until)
	}
	return override
}

// override answers PUT /v1/policies/{policy}/key/override: it gives a key limits of its own.
func (a *API) override(w http.ResponseWriter, r *http.Request, on target) error {
	key, exception, err := keyAndBody(w, r, on, parseException)
	if err != nil {
		return err
	}
	standing, err := a.control.Override(r.Context(), on.caller, on.name, key, exception)
	switch {
	case err != nil:
		return err
	case standing.Override == nil:
		return newFault(invalidValue, "until", "it has passed; give an instant that is yet to come")
	}
	return show(w, map[string]*Override{"override": newOverride(standing.Override)})
}

// removeOverride answers DELETE of the same.
func (a *API) removeOverride(w http.ResponseWriter, r *http.Request, on target) error {
	return changeKey(w, r, on, a.control.RemoveOverride)
}

// overrides answers GET /v1/overrides: a page of the keys of a policy that have limits of their own.
func (a *API) overrides(w http.ResponseWriter, r *http.Request, on target) error {
	page, err := a.list(r, on.query, true)
	if err != nil {
		return err
	}
	answer := struct {
		Overrides []OverriddenKey `json:"overrides"`
		Cursor    string          `json:"cursor,omitzero"`
	}{Cursor: page.Cursor}
	for _, e := range page.Entries {
		if o := newOverride(e.Standing.Override); o != nil {
			text, bytes := spelled(e.Key)
			answer.Overrides = append(answer.Overrides, OverriddenKey{Key: text, KeyBase64: bytes, Override: *o})
		}
	}
	return show(w, answer)
}

const exceptionExample = `{"limits":{"second":"100/s"},"for_ms":86400000}`

// parseException reads the body of an override.
func parseException(body []byte) (sluice.Exception, error) {
	var (
		exception sluice.Exception
		span      lasting
		limited   bool
	)
	p := newBodyParser(body, exceptionExample)
	err := p.object("limits, for_ms and until", func(name string) (known bool, err error) {
		if name != "limits" {
			return span.field(p, name)
		}
		limited = true
		if p.tokens.PeekKind() == '[' {
			exception.Limits, err = p.limitList()
		} else {
			exception.Limits, err = p.namedLimits()
		}
		return true, err
	})
	if err == nil && !limited {
		err = p.faultIn("limits", "they are missing; send "+exceptionExample+", or without for_ms for good")
	}
	if err != nil {
		return exception, err
	}
	exception.For, exception.Until = span.length, span.until
	return exception, p.end()
}

// namedLimits reads an object of names and limits.
func (p *bodyParser) namedLimits() ([]sluice.Limit, error) {
	limits := []sluice.Limit{}
	_, err := p.token('{', `an object of names and limits, as in {"second":"10/s"}, or a list of limits, as in ["10/s"]`)
	for err == nil && p.tokens.PeekKind() != '}' {
		var l sluice.Limit
		if l, err = p.namedLimit(); err != nil {
			break
		}
		if limits = append(limits, l); len(limits) > sluice.MaxLimits {
			err = p.fault(invalidValue, "there are more than %d; at most so many can be charged together", sluice.MaxLimits)
		}
	}
	if err != nil {
		return nil, err
	}
	_, err = p.token('}', "an object")
	return limits, err
}

func (p *bodyParser) namedLimit() (l sluice.Limit, err error) {
	name, err := p.token('"', "a name")
	if err != nil {
		return l, err
	}
	called := name.String() // before the next token takes its place
	if l, err = p.limit(); err != nil {
		return l, err
	}
	l = l.WithName(called)
	if invalid := (*sluice.InvalidError)(nil); errors.As(l.Validate(), &invalid) {
		return l, p.fault(invalidValue, "%s", invalid.Problem)
	}
	return l, nil
}
