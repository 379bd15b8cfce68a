package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"

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

// dialFunc makes a connection, as the client has it done.
type dialFunc = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error)

func nobodyThere(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
	return nil, errors.New("nobody is there")
}

// optionOf returns the options by a URL, with another way to connect.
func optionOf(t *testing.T, url string, dial dialFunc) rueidis.ClientOption {
	t.Helper()
	option, err := redisstore.ClientOption(url)
	if err != nil {
		t.Fatal(err)
	}
	option.DialCtxFn = dial
	return option
}

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
		p := &patient{option: optionOf(t, test.url, nobodyThere), client: connected{mode: test.mode}, silent: test.silent}
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
		option := optionOf(t, "rediss://:open-sesame@10.0.0.1:7000"+test.parameters, nobodyThere)
		p := &patient{option: option, client: connected{}, masters: []*node{{name: "10.0.0.1:7000"}}}
		f := protection(t.Context(), p)
		if f.Result != test.want || !strings.Contains(f.Found, test.found) || !strings.Contains(f.Remedy, test.remedy) {
			t.Errorf("with %s it is a %s: %q, remedy %q, want a %s: %q, remedy %q", test.parameters, f.Result, f.Found, f.Remedy, test.want, test.found, test.remedy)
		}
	}
}

// TestTakesAnybody has a Redis that Sluice has a password for, and others need none. It is away, as far as the doctor knows.
func TestTakesAnybody(t *testing.T) {
	t.Parallel()
	const away, warned = "10.0.0.1:7000", "10.0.0.1:7000 takes who has no password as well"
	plain := redistest.Start(t, redistest.Options{})
	closed := redistest.Start(t, redistest.Options{Password: "open-sesame"})
	secure := redistest.Start(t, redistest.Options{TLS: true})
	certified := redistest.Start(t, redistest.Options{TLS: true})
	for _, s := range []*redistest.Server{plain, secure, certified} {
		s.Do(t, "ACL", "SETUSER", "sluice", "on", ">open-sesame", "~*", "&*", "+@all")
	}
	certified.Do(t, "CONFIG", "SET", "tls-auth-clients", "yes")
	byTLS := func(s *redistest.Server) string {
		return "rediss://sluice:open-sesame@" + away + "?skip_hostname=true&ca_file=" + s.CAFile()
	}
	for _, test := range []struct {
		name          string
		s             *redistest.Server
		url           string
		want          Result
		found, remedy string
	}{
		{"user", plain, "redis://sluice:open-sesame@" + away, Warning, warned, "ACL SETUSER default off"},
		{"password alone, which is not asked for", plain, "redis://:open-sesame@" + away, Warning, warned, "requirepass"},
		{"the default user by name", plain, "redis://default:open-sesame@" + away, Warning, warned, "requirepass"},
		{"user by TLS", secure, byTLS(secure), Warning, warned, "ACL SETUSER default off"},
		{"user, and a certificate is asked for", certified, byTLS(certified), OK, "goes by TLS", ""},
		{"password alone", closed, "redis://:open-sesame@" + away, Note, "in clear", "rediss://"},
	} {
		t.Run(test.name, func(t *testing.T) {
			option := optionOf(t, test.url, nil)
			option.DialCtxFn = func(ctx context.Context, _ string, dialer *net.Dialer, trusted *tls.Config) (net.Conn, error) {
				if trusted != nil {
					return (&tls.Dialer{NetDialer: dialer, Config: trusted}).DialContext(ctx, "tcp", test.s.Addr())
				}
				return dialer.DialContext(ctx, "tcp", test.s.Addr())
			}
			p := &patient{option: option, client: connected{}, masters: []*node{{name: away}}}
			f := protection(t.Context(), p)
			if f.Result != test.want || !strings.Contains(f.Found, test.found) || !strings.Contains(f.Remedy, test.remedy) {
				t.Errorf("it is a %s: %q, remedy %q, want a %s: %q, remedy %q", f.Result, f.Found, f.Remedy, test.want, test.found, test.remedy)
			}
		})
	}
}

// TestTakesAnybodyHere has one on this machine, where it is a note, until the remedy is followed.
func TestTakesAnybodyHere(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	s.Do(t, "ACL", "SETUSER", "sluice", "on", ">open-sesame", "~*", "&*", "+@all")
	config := Config{URL: "redis://sluice:open-sesame@" + s.Addr()}
	examine(t, config).want(t, "protection", Note, s.Addr()+" takes who has no password as well", "ACL SETUSER default off")
	s.Do(t, "ACL", "SETUSER", "default", "off")
	examine(t, config).want(t, "protection", OK, "on this machine", "")
}

// TestAsksWithoutPassword has the trial show none of what the URL has, and end.
func TestAsksWithoutPassword(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			answer string
			want   bool
		}{
			{"+PONG\r\n", true},
			{"-NOAUTH Authentication required.\r\n", false},
			{"-DENIED Redis is running in protected mode\r\n", false},
			{"", false}, // it never says a word
		} {
			asked := make(chan string, 1)
			ended := make(chan struct{})
			option := optionOf(t, "rediss://sluice:open-sesame@10.0.0.1:7000", nil)
			option.TLSConfig.Certificates = make([]tls.Certificate, 1)
			option.DialCtxFn = func(_ context.Context, _ string, _ *net.Dialer, trusted *tls.Config) (net.Conn, error) {
				if len(trusted.Certificates) > 0 {
					t.Error("the certificate is shown where it is tried without")
				}
				near, distant := net.Pipe()
				go func() {
					defer close(ended)
					text := make([]byte, 100)
					n, _ := distant.Read(text)
					asked <- string(text[:n])
					_, _ = distant.Write([]byte(test.answer))
					for err := error(nil); err == nil; _, err = distant.Read(text) {
					}
				}()
				return near, nil
			}
			p := &patient{option: option, client: connected{}, masters: []*node{{name: "10.0.0.1:7000"}}}
			f := protection(t.Context(), p)
			if got := strings.Contains(f.Found, "takes who has no password as well"); got != test.want {
				t.Errorf("of an answer %q the doctor says %q", test.answer, f.Found)
			}
			if text := <-asked; text != "PING\r\n" {
				t.Errorf("it asks %q, want PING alone", text)
			}
			<-ended // the connection is closed
		}
	})
}
