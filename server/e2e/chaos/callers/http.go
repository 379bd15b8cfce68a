//go:build unix

package callers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluice-project/sluice/server/e2e/chaos/plan"
	"github.com/sluice-project/sluice/server/e2e/chaos/record"
	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

// httpClient asks one server over HTTP, by one connection that it keeps.
type httpClient struct {
	http.Client
	server *world.Server
	plan   *plan.Plan
	body   bytes.Buffer
}

func newHTTP(s *world.Server, p *plan.Plan) *httpClient {
	return &httpClient{
		Client: http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConns: 1, TLSClientConfig: s.TLS()}},
		server: s, plan: p,
	}
}

func (c *httpClient) close() { c.CloseIdleConnections() }

// send sends the body, and returns the answer, whose body is in the place of the question's then.
func (c *httpClient) send(request *http.Request) (*http.Response, error) {
	if token := c.server.Token(); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	c.body.Reset()
	_, err = c.body.ReadFrom(response.Body)
	return response, err
}

func (c *httpClient) post(path string) (*http.Response, error) {
	request, err := http.NewRequest(http.MethodPost, c.server.URL(path), bytes.NewReader(bytes.Clone(c.body.Bytes())))
	if err != nil {
		return nil, err
	}
	return c.send(request)
}

// endingOfStatus returns how a question ended whose answer is no decision.
func endingOfStatus(response *http.Response) record.Ending {
	if response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden {
		return record.Denied
	}
	return record.Failed
}

// question writes a check as JSON.
func (c *httpClient) question(to io.Writer, check *record.Check) {
	s := &c.plan.Subjects[check.Subject]
	fmt.Fprintf(to, `{"policy":%q,"key":%q,"cost":%d}`, c.plan.Policies[s.Policy].Name, s.Key, check.Cost)
}

// decision is what is read of an answer.
type decision struct {
	Allowed   bool            `json:"allowed"`
	Remaining int32           `json:"remaining"`
	Source    string          `json:"source"`
	Error     json.RawMessage `json:"error"`
}

func (d *decision) write(check *record.Check) {
	var known bool
	if check.Source, known = record.SourceOf(d.Source); !known {
		check.Ending = record.Failed
		return
	}
	check.Allowed = d.Allowed
	if check.Source == record.Store {
		check.Remaining = d.Remaining
	}
}

type httpCheck struct{ *httpClient }

func newHTTPCheck(s *world.Server, p *plan.Plan) (client, error) {
	return httpCheck{newHTTP(s, p)}, nil
}

func (c httpCheck) ask(checks []record.Check) {
	c.body.Reset()
	c.question(&c.body, &checks[0])
	response, err := c.post("/v1/check")
	var d decision
	switch {
	case err != nil:
		failed(checks, err)
	case response.StatusCode != http.StatusOK || json.Unmarshal(c.body.Bytes(), &d) != nil:
		checks[0].Ending = endingOfStatus(response)
	default:
		d.write(&checks[0])
	}
}

type httpBatch struct{ *httpClient }

func newHTTPBatch(s *world.Server, p *plan.Plan) (client, error) {
	return httpBatch{newHTTP(s, p)}, nil
}

func (c httpBatch) ask(checks []record.Check) {
	c.body.Reset()
	c.body.WriteString(`{"checks":[`)
	for i := range checks {
		if i > 0 {
			c.body.WriteByte(',')
		}
		c.question(&c.body, &checks[i])
	}
	c.body.WriteString("]}")
	response, err := c.post("/v1/checks")
	var answer struct {
		Decisions []decision `json:"decisions"`
	}
	switch {
	case err != nil:
		failed(checks, err)
	case response.StatusCode != http.StatusOK || json.Unmarshal(c.body.Bytes(), &answer) != nil || len(answer.Decisions) != len(checks):
		for i := range checks {
			checks[i].Ending = endingOfStatus(response)
		}
	default:
		for i := range checks {
			answer.Decisions[i].write(&checks[i])
		}
	}
}

// authorize asks as a proxy would. It costs one unit, and the key is in a header field. Where the answer
// does not say who has decided, one without numbers is on_error's.
type authorize struct{ *httpClient }

func newAuthorize(s *world.Server, p *plan.Plan) (client, error) {
	return authorize{newHTTP(s, p)}, nil
}

func (c authorize) ask(checks []record.Check) {
	check := &checks[0]
	check.Cost = 1
	s := &c.plan.Subjects[check.Subject]
	// A GET is sent once more by package http where a connection ends before the answer: to a server that was killed, and the
	// question that it may have decided would be told as one that nobody has asked.
	request, err := http.NewRequest(http.MethodPost, c.server.URL("/v1/authorize/"+c.plan.Policies[s.Policy].Name+"/x"), nil)
	if err != nil {
		failed(checks, err)
		return
	}
	request.Header.Set("X-API-Key", s.Key)
	response, err := c.send(request)
	if err != nil {
		failed(checks, err)
		return
	}
	switch response.StatusCode {
	case http.StatusOK:
		check.Allowed = true
	case http.StatusTooManyRequests:
	default:
		check.Ending = endingOfStatus(response)
		return
	}
	fields := response.Header.Values("RateLimit")
	if source, told := record.SourceOf(response.Header.Get("X-RL-Source")); told { // where it is none of the usual
		check.Source = source
	} else if len(fields) > 0 {
		check.Source, check.Remaining = record.Store, least(fields)
	} else {
		check.Source = record.ErrorPolicy
	}
}

// least returns the least that remains by a RateLimit field: "name";r=REMAINING, one after the other.
func least(fields []string) int32 {
	left := int32(record.Unknown)
	for _, item := range strings.Split(strings.Join(fields, ","), ",") {
		for _, parameter := range strings.Split(item, ";") {
			text, found := strings.CutPrefix(strings.TrimSpace(parameter), "r=")
			n, err := strconv.ParseInt(text, 10, 32)
			if found && err == nil && (left == record.Unknown || int32(n) < left) {
				left = int32(n)
			}
		}
	}
	return left
}
