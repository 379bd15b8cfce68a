package doctor

import (
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// connected is a client that is asked how it is connected and nothing else.
type connected struct {
	rueidis.Client
	mode rueidis.ClientMode
}

func (c connected) Mode() rueidis.ClientMode { return c.mode }

// TestProtection looks at where keys are sent, which is not where the first connection goes.
func TestProtection(t *testing.T) {
	t.Parallel()
	const local, away = "127.0.0.1:7000", "10.0.0.1:7000"
	single, sentinel, cluster := rueidis.ClientModeStandalone, rueidis.ClientModeSentinel, rueidis.ClientModeCluster
	for _, test := range []struct {
		name   string
		mode   rueidis.ClientMode
		url    string
		master []string
		silent []string
		want   Result
		found  string
	}{
		{"local", single, "redis://" + local, []string{local}, nil, OK, "on this machine"},
		{"local by name", single, "redis://localhost:7000", []string{"localhost:7000"}, nil, OK, "on this machine"},
		{"local by IPv6", single, "redis://[::1]:7000", []string{"[::1]:7000"}, nil, OK, "on this machine"},
		{"socket", single, "unix:///run/redis.sock", []string{"/run/redis.sock"}, nil, OK, "on this machine"},
		{"away", single, "redis://" + away, []string{away}, nil, Warning, "10.0.0.1:7000 takes who has no password"},
		{"away in clear", single, "redis://:open-sesame@" + away, []string{away}, nil, Note, "in clear"},
		{"away by TLS", single, "rediss://:open-sesame@" + away, []string{away}, nil, OK, "goes by TLS"},
		{"away by a local Sentinel", sentinel, "redis://" + local + "?master_set=main", []string{away}, nil, Warning, "10.0.0.1:7000 takes who has no password"},
		{"local by a Sentinel away", sentinel, "redis://" + away + "?master_set=main", []string{local}, nil, OK, "on this machine"},
		{"a Cluster by a local node", cluster, "redis://" + local, []string{local, away}, nil, Warning, "10.0.0.1:7000 takes who has no password"},
		{"a Cluster whose node away is silent", cluster, "redis://:open-sesame@" + local, []string{local}, []string{away}, Note, "to 10.0.0.1:7000 in clear"},
	} {
		option, err := redisstore.ClientOption(test.url)
		if err != nil {
			t.Fatal(err)
		}
		p := &patient{option: option, client: connected{mode: test.mode}, silent: test.silent}
		for _, name := range test.master {
			p.masters = append(p.masters, &node{name: name})
		}
		if f := protection(t.Context(), p); f.Result != test.want || !strings.Contains(f.Found, test.found) {
			t.Errorf("%s is a %s: %q, want a %s: %q", test.name, f.Result, f.Found, test.want, test.found)
		}
	}
}

// TestMasterBySentinel has the patient know where the master is.
func TestMasterBySentinel(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t, redistest.Options{})
	watcher := redistest.StartSentinel(t, "main", master)
	url := "redis://" + watcher.Addr() + "?master_set=main"
	option, err := redisstore.ClientOption(url)
	if err != nil {
		t.Fatal(err)
	}
	client := connectTo(t, url)
	defer client.Close()
	p := newPatient(t.Context(), Config{Prefix: "sluice:"}, option, client)
	if len(p.masters) != 1 || p.masters[0].name != master.Addr() {
		t.Errorf("the masters behind Sentinel are %v, want %s alone", p.masters[0].name, master.Addr())
	}
}

// TestProtectionByTLS tells what skip_verify gives up from what skip_hostname does.
func TestProtectionByTLS(t *testing.T) {
	t.Parallel()
	authority := redistest.Start(t, redistest.Options{TLS: true}).CAFile()
	for _, test := range []struct {
		parameters    string
		want          Result
		found, remedy string
	}{
		{"?ca_file=" + authority, OK, "goes by TLS", ""},
		{"?skip_verify=true", Warning, "skip_verify trusts any certificate", "give ca_file in its place"},
		{"?skip_verify=true&ca_file=" + authority, Warning, "skip_verify trusts any certificate", "leave it out"},
		{"?skip_verify=true&skip_hostname=true", Warning, "skip_verify trusts any certificate", "give ca_file"},
		{"?skip_hostname=true&ca_file=" + authority, OK, "goes by TLS", ""},
		{"?skip_hostname=true", Warning, "skip_hostname", "give ca_file"},
	} {
		option, err := redisstore.ClientOption("rediss://:open-sesame@10.0.0.1:7000" + test.parameters)
		if err != nil {
			t.Fatal(err)
		}
		p := &patient{option: option, client: connected{}, masters: []*node{{name: "10.0.0.1:7000"}}}
		f := protection(t.Context(), p)
		if f.Result != test.want || !strings.Contains(f.Found, test.found) || !strings.Contains(f.Remedy, test.remedy) {
			t.Errorf("with %s it is a %s: %q, remedy %q, want a %s: %q, remedy %q", test.parameters, f.Result, f.Found, f.Remedy, test.want, test.found, test.remedy)
		}
	}
}
