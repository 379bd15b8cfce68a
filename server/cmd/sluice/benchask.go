package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/server/httpapi"
)

// askedStore is a store that a benchmark asks.
type askedStore struct {
	store sluice.Store
	// decides returns the policy that decides on a key.
	decides func(key string) *sluice.Policy
	// shadow says that refusals count towards no penalty, as under a server.
	shadow bool
	cost   int64
	called string
}

// newAskedStore returns the store of d, after a look at the key of a question, which takes nothing.
func newAskedStore(ctx context.Context, d *direct, q question, cost int64) (*askedStore, error) {
	q.cost = 0
	if _, err := d.ask(ctx, q, true); err != nil {
		return nil, err
	}
	a := &askedStore{store: d.store, cost: cost, called: q.name() + " on Redis"}
	if q.policy == "" {
		limits, err := q.ownLimits()
		if err != nil {
			return nil, err
		}
		p := sluice.InlinePolicy(q.namespace, limits...)
		a.decides = func(string) *sluice.Policy { return &p }
		return a, nil
	}
	p, known := d.engine.Snapshot().Get(q.policy)
	if !known {
		return nil, &engine.UnknownPolicyError{Policy: q.policy}
	}
	a.decides, a.shadow = p.For, p.Shadow
	return a, nil
}

// name says to people by what a question is decided.
func (q question) name() string {
	if q.policy != "" {
		return "policy " + q.policy
	}
	return "limits " + strings.Join(q.limits, ", ")
}

func (a *askedStore) name() string { return a.called }

func (a *askedStore) caller() asks {
	ctx := context.Background() // a call that has begun ends by the store's own timeout
	var reqs []sluice.Request
	return func(keys []string, t *tally) {
		reqs = reqs[:0]
		for _, key := range keys {
			reqs = append(reqs, sluice.Request{Policy: a.decides(key), Key: key, Cost: a.cost, Uncounted: a.shadow})
		}
		if len(reqs) == 1 {
			d, err := a.store.Check(ctx, reqs[0])
			noteDecision(t, d, err)
			return
		}
		for _, r := range a.store.CheckAll(ctx, reqs) {
			noteDecision(t, r.Decision, r.Err)
		}
	}
}

func noteDecision(t *tally, d sluice.Decision, err error) {
	if err == nil {
		t.decided(d.Allowed)
		return
	}
	why := "store error"
	switch {
	case errors.Is(err, sluice.ErrNotSent):
		why = "not sent"
	case errors.Is(err, sluice.ErrUncertain):
		why = "uncertain"
	case errors.Is(err, sluice.ErrForeignState):
		why = "foreign state"
	}
	t.fail(1, why, err.Error())
}

// askedServer is a server that a benchmark asks.
type askedServer struct {
	client *http.Client
	url    string
	called string
	token  string // that it is shown; "" for none
	before string // what stands before the key in the JSON of a check
	batch  bool
}

// newAskedServer returns the server of r, after a check of a question that takes nothing.
func newAskedServer(ctx context.Context, r *remote, q question, b *benchmark) (*askedServer, error) {
	q.cost = 0
	if _, err := r.check(ctx, q); err != nil {
		return nil, err
	}
	check := map[string]any{"cost": b.cost}
	if q.policy != "" {
		check["policy"] = q.policy
	} else {
		check["limits"], check["namespace"] = q.limits, q.namespace
	}
	text, err := json.Marshal(check, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	a := &askedServer{called: q.name() + " of " + r.where, url: r.base + checkPath, token: r.token, batch: b.batch > 1}
	a.before = strings.TrimSuffix(string(text), "}") + `,"key":"`
	if a.batch {
		a.url += "s"
	}
	// Each caller has a connection of its own, which no other request waits for.
	a.client = &http.Client{Timeout: r.client.Timeout, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConns: b.concurrency, MaxIdleConnsPerHost: b.concurrency, DisableCompression: true,
		TLSClientConfig: r.secure,
	}}
	return a, nil
}

func (a *askedServer) name() string { return a.called }

func (a *askedServer) caller() asks {
	var out, in bytes.Buffer
	return func(keys []string, t *tally) {
		out.Reset()
		if a.batch {
			out.WriteString(`{"checks":[`)
		}
		for i, key := range keys {
			if i > 0 {
				out.WriteByte(',')
			}
			out.WriteString(a.before)
			out.WriteString(key) // it has nothing that JSON would escape
			out.WriteString(`"}`)
		}
		if a.batch {
			out.WriteString(`]}`)
		}
		if why, err := a.send(&out, &in); err != nil {
			t.fail(len(keys), why, err.Error())
			return
		}
		if why, err := a.note(in.Bytes(), len(keys), t); err != nil {
			t.fail(len(keys), why, err.Error())
		}
	}
}

// send sends a body and reads the answer. The error has a kind.
func (a *askedServer) send(out, in *bytes.Buffer) (why string, err error) {
	request, err := http.NewRequest(http.MethodPost, a.url, bytes.NewReader(out.Bytes()))
	if err != nil {
		return "no connection", err
	}
	request.Header.Set("Content-Type", "application/json")
	showToken(request, a.token)
	response, err := a.client.Do(request)
	if err != nil {
		return transportKind(err), unwrapURL(err)
	}
	defer response.Body.Close() //nolint:errcheck // it has been read
	in.Reset()
	if _, err := in.ReadFrom(http.MaxBytesReader(nil, response.Body, maxReply)); err != nil {
		return transportKind(err), err
	}
	if response.StatusCode == http.StatusOK {
		return "", nil
	}
	var problem httpapi.Problem
	if err := json.Unmarshal(in.Bytes(), &problem); err != nil || problem.Detail == "" {
		return fmt.Sprintf("status %d", response.StatusCode), fmt.Errorf("the server answers %s", response.Status)
	}
	return problemKind(&problem), &problem
}

// transportKind says in a few words why a request was not answered.
func transportKind(err error) string {
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return "no answer in time"
	}
	return "no connection"
}

// problemKind is the end of a problem's type.
func problemKind(p *httpapi.Problem) string {
	_, kind, _ := strings.Cut(p.Type, "#")
	return cmp.Or(kind, fmt.Sprintf("status %d", p.Status))
}

// checkAnswer is what a benchmark wants to know of an answer.
type checkAnswer struct {
	Allowed *bool            `json:"allowed"`
	Shadow  bool             `json:"shadow_denied"`
	Source  string           `json:"source"`
	Error   *httpapi.Problem `json:"error"`
}

// note notes what is in an answer to some checks, or returns why nothing can be made of it.
func (a *askedServer) note(answer []byte, checks int, t *tally) (why string, err error) {
	var read struct {
		Decisions []checkAnswer `json:"decisions"`
	}
	if a.batch {
		err = json.Unmarshal(answer, &read, jsontext.AllowInvalidUTF8(true))
	} else {
		read.Decisions = make([]checkAnswer, 1)
		err = json.Unmarshal(answer, &read.Decisions[0], jsontext.AllowInvalidUTF8(true))
	}
	const strange = "strange answer"
	if err != nil {
		return strange, fmt.Errorf("it is no answer of a Sluice server: %w", err)
	}
	if len(read.Decisions) != checks {
		return strange, fmt.Errorf("there are %d decisions on %d checks", len(read.Decisions), checks)
	}
	for _, d := range read.Decisions {
		switch {
		case d.Error != nil:
			t.fail(1, problemKind(d.Error), d.Error.Detail)
		case d.Allowed == nil:
			t.fail(1, strange, "a decision does not say whether it is allowed")
		case d.Source == sluice.SourceErrorPolicy.String():
			t.fail(1, "error-policy", "the store did not answer the server, and on_error decided")
		case d.Source == sluice.SourceFallback.String():
			t.fail(1, "fallback", "the store did not answer the server, which decided by its share of the limits")
		default:
			t.decided(*d.Allowed && !d.Shadow)
		}
	}
	return "", nil
}
