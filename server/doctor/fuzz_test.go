package doctor

import (
	"strings"
	"testing"

	"github.com/redis/rueidis"
)

// FuzzAnswers reads any text as what Redis tells of itself. Each look comes to a finding.
func FuzzAnswers(f *testing.F) {
	f.Add("# Server\r\nredis_version:7.0.15\r\nrole:master\r\nconnected_slaves:1\r\nslave0:ip=h,port=1,state=online,offset=1,lag=0\r\nmaster_repl_offset:9\r\n")
	f.Add("redis_version:7\nvalkey_version:x.y\nconnected_slaves:-1\nused_memory:9223372036854775807\nmaxmemory:1\nmaxmemory_policy:allkeys-lru\nlatest_fork_usec:-5\n")
	f.Add("id 127.0.0.1:1@2,h myself,master - 0 0 1 connected 0-5 [6->-id]\nid2 :0@0 slave,fail? id 0 0 1 disconnected\n")
	f.Add("")
	f.Add("connected_clients:1\nmaxclients:0\nrole:slave\nmaster_host:\x00\n")
	f.Fuzz(func(t *testing.T, text string) {
		n := &node{name: "h:1", info: parseInfo(text)}
		if len(n.info["connected_slaves"]) > 3 {
			delete(n.info, "connected_slaves") // as many are looked at
		}
		if _, told := n.number("maxclients"); !told {
			n.info["maxclients"] = "1"
		}
		p := &patient{client: nobody{}}
		for _, f := range []Finding{
			version(t.Context(), p, n), role(t.Context(), p, n), eviction(t.Context(), p, n), memory(t.Context(), p, n), pauses(t.Context(), p, n),
			replicas(t.Context(), p, n), connections(t.Context(), p, n),
		} {
			if f.Found == "" || f.Result > Note && f.Remedy == "" {
				t.Errorf("of %q a look finds %+v", text, f)
			}
			if strings.Contains(f.Found, "did not answer") {
				t.Errorf("of %q, which is an answer, a look finds %+v", text, f)
			}
		}
		for _, n := range parseNodes(text) {
			if n.is("") && len(n.flags) == 0 {
				t.Errorf("a node of %q has no flags", text)
			}
		}
		if fields := strings.Fields(text); len(fields) > 0 {
			_ = isOurs(fields, "sluice:")
		}
	})
}

// nobody is a client that is asked how it is connected and nothing else.
type nobody struct{ rueidis.Client }

func (nobody) Mode() rueidis.ClientMode { return rueidis.ClientModeStandalone }
