package httpapi

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/sluice-project/sluice"
)

const (
	// maxBody is the longest body that is read, in bytes.
	maxBody = 1 << 20
	// maxChecks is how many checks one call can hold.
	maxChecks = 1000
)

// readBody returns the body of a request that is to be JSON.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var body bytes.Buffer
	err := readInto(&body, w, r)
	return body.Bytes(), err
}

// readInto reads the body of a request that is to be JSON.
func readInto(body *bytes.Buffer, w http.ResponseWriter, r *http.Request) error {
	if err := wantJSON(r); err != nil {
		return err
	}
	var err error
	switch {
	case r.ContentLength > maxBody:
		err = new(http.MaxBytesError)
	case r.ContentLength < 0:
		_, err = body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	default: // net/http ends the body where its length says
		_, err = body.ReadFrom(r.Body)
	}
	if err == nil {
		return nil
	}
	if long := (*http.MaxBytesError)(nil); errors.As(err, &long) {
		return newProblem(bodyTooLarge, "the body has more than %d bytes; send checks in several calls, and policies one by one", maxBody)
	}
	if errors.Is(err, errOverBudget) {
		return overBudget(w)
	}
	return newProblem(malformedBody, "the body could not be read: %s", err)
}

// overBudget is the problem of a call for which there is no memory.
func overBudget(w http.ResponseWriter) *Problem {
	w.Header().Set("Retry-After", "1")
	return newProblem(overloaded, "the checks that are being read and answered take all of the memory that there is for them: send it again in a second")
}

// wantJSON refuses a body that says it is something else. One that says nothing is let pass, and so is what curl says
// of every body unless told otherwise; but not from a page in a browser, which may send such bodies to servers of others
// without asking them first.
func wantJSON(r *http.Request) error {
	text := r.Header.Get("Content-Type")
	if text == "application/json" { // as nearly all say
		return nil
	}
	media, _, err := mime.ParseMediaType(text)
	switch {
	case err == nil && media == "application/json":
		return nil
	case text == "" || err == nil && media == "application/x-www-form-urlencoded":
		if r.Header.Get("Origin") == "" {
			return nil
		}
	}
	return newProblem(notJSON, "the Content-Type is %.64q; send application/json", text)
}

// wantNoBody refuses a body where a call takes none: whoever sends one means something by it that would not be done.
func wantNoBody(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	if n, err := io.ReadFull(r.Body, make([]byte, 1)); n == 0 && err == io.EOF {
		return nil // it was announced without a length, and there is none
	}
	return newProblem(malformedBody, "this call takes no body; what it is about goes into its path and query")
}

// checkBody is what a check says, as far as it was said.
type checkBody struct {
	policy    string
	namespace string
	limits    []sluice.Limit // nil where there are none; empty where they are an empty list
	key       string         // any bytes
	cost      int64          // 1 unless said

	hasPolicy, hasNamespace bool
}

const (
	checkExample  = `{"policy":"api","key":"alice"}`
	checksExample = `{"checks":[{"policy":"api","key":"alice"}]}`
)

// parseCheck reads the body of a check.
func parseCheck(body []byte) (checkBody, error) {
	p := newBodyParser(body, checkExample)
	defer p.giveBack()
	c, err := p.check()
	if err != nil {
		return checkBody{}, err
	}
	return c, p.end()
}

// parseChecks reads the body of several checks, none of which brings limits of its own, and appends them.
func parseChecks(checks []checkBody, body []byte) ([]checkBody, error) {
	p := newBodyParser(body, checksExample)
	defer p.giveBack()
	found, before := false, len(checks)
	err := p.object("checks", func(name string) (known bool, err error) {
		if name != "checks" {
			return false, nil
		}
		found = true
		return true, p.list(func() error {
			if len(checks)-before == maxChecks {
				return newFault(invalidValue, "checks", "there are more than %d; send the others in another call", maxChecks)
			}
			c, err := p.check()
			if err == nil && c.limits != nil {
				err = p.faultIn("limits", "a caller's own limits go to /v1/check, one check a call")
			}
			checks = append(checks, c)
			return err
		})
	})
	if err == nil && !found {
		err = p.faultIn("checks", "it is missing; send "+checksExample)
	}
	if err == nil {
		err = p.end()
	}
	return checks, err
}

const checkFields = "policy, namespace, limits, key, key_base64 and cost"

func (p *bodyParser) check() (checkBody, error) {
	c := checkBody{cost: 1}
	keys := 0
	err := p.object(checkFields, func(name string) (known bool, err error) {
		switch name {
		case "policy":
			c.policy, err = p.policyName()
			c.hasPolicy = true
		case "namespace":
			c.namespace, err = p.text()
			c.hasNamespace = true
		case "limits":
			c.limits, err = p.limitList()
		case "key":
			c.key, err = p.text()
			keys++
		case "key_base64":
			c.key, err = p.base64()
			keys++
		case "cost":
			c.cost, err = p.integer("a whole number from 0 to 4294967295, in digits")
		default:
			return false, nil
		}
		return true, err
	})
	switch {
	case err != nil:
	case !c.hasPolicy && c.limits == nil:
		err = p.faultIn("policy", `it is missing; name a policy, or give limits of your own, as in "limits":["5/15m"]`)
	case c.hasPolicy && c.limits != nil:
		err = p.faultIn("limits", "they cannot be given beside a policy, which has its own: leave out one of the two")
	case c.hasPolicy && c.hasNamespace:
		err = p.faultIn("namespace", "it goes with limits of your own, not with a policy: leave it out")
	case keys == 0:
		err = p.faultIn("key", "it is missing; say who is limited, as in \"key\":\"alice\", or in key_base64 where that is no UTF-8")
	case keys == 2:
		err = p.faultIn("key_base64", "it cannot be given beside key: leave out one of the two")
	}
	return c, err
}

// limitList reads a list of limits, which have the names of their periods; an empty one where there are none.
func (p *bodyParser) limitList() ([]sluice.Limit, error) {
	limits := []sluice.Limit{}
	err := p.list(func() error {
		if len(limits) == sluice.MaxLimits {
			return p.fault(invalidValue, "there are more than %d; at most so many can be charged together", sluice.MaxLimits)
		}
		l, err := p.limit()
		if err != nil {
			return err
		}
		if err := OwnPeriod(l, limits); err != nil {
			return p.fault(invalidValue, "%s", err)
		}
		limits = append(limits, l)
		return nil
	})
	return limits, err
}

func (p *bodyParser) base64() (string, error) {
	text, err := p.text()
	if err != nil {
		return "", err
	}
	key, err := decodeBase64(text)
	if err != nil {
		return "", p.fault(invalidValue, "it is not Base64: %s", err)
	}
	return key, nil
}

func (p *bodyParser) limit() (sluice.Limit, error) {
	text, err := p.text()
	if err != nil {
		return sluice.Limit{}, err
	}
	l, err := sluice.ParseLimit(text)
	if invalid := (*sluice.InvalidError)(nil); errors.As(err, &invalid) {
		return l, p.fault(invalidValue, "%s", invalid.Problem)
	}
	return l, err
}

// OwnPeriod returns an error where one of the others has the period of a limit that a caller brings: limits are charged
// together by their names, and the name of one without any is its period.
func OwnPeriod(l sluice.Limit, others []sluice.Limit) error {
	for _, other := range others {
		if other.Name() == l.Name() {
			return fmt.Errorf("the period of %q gives it the name %q, which %q has; bring one limit for each period", l, l.Name(), other)
		}
	}
	return nil
}

// decodeBase64 reads both alphabets of RFC 4648, so that a key can stand in a URL, with or without padding.
func decodeBase64(text string) (string, error) {
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	key, err := base64.RawStdEncoding.Strict().DecodeString(text)
	return string(key), err
}
