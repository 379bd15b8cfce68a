package doctor

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// protection says whether others can read what is sent, or ask without a password.
func protection(ctx context.Context, p *patient) Finding {
	away := ""
	for _, address := range p.addresses() {
		if !isLocal(address) {
			away = address
			break
		}
	}
	named := p.option.Username != "" || p.option.Password != ""
	open := !named && (p.option.TLSConfig == nil || len(p.option.TLSConfig.Certificates) == 0)
	anybody := ""
	if named {
		anybody = p.takesAnybody(ctx)
	}
	switch {
	case away == "" && p.unseen:
		return well("not told: who the other nodes of the Cluster are").as(Note, "see rights")
	case anybody != "":
		f := well("%s takes who has no password as well: whoever reaches it may do what its user default may", anybody)
		if away == "" {
			return f.as(Note, p.shutDefault())
		}
		return f.as(Warning, p.shutDefault())
	case away == "":
		return well("it is on this machine: what is sent leaves it not")
	case open:
		return well("%s takes who has no password and no certificate: whoever reaches it can give himself any limit", away).
			as(Warning, "give Sluice a user of its own (docs/redis-keys.md), and set the default user off")
	case p.option.TLSConfig == nil:
		return well("the password and all keys go to %s in clear", away).as(Note, "use rediss://, unless the network is your own alone")
	}
	trusted := p.option.TLSConfig
	switch {
	case trusted.InsecureSkipVerify && trusted.VerifyConnection == nil:
		remedy := "give ca_file in its place"
		if trusted.RootCAs != nil {
			remedy = "leave it out: the URL has ca_file; where the name of the host is not in the certificate, say skip_hostname=true"
		}
		return well("skip_verify trusts any certificate: whoever stands between can read the password").as(Warning, remedy)
	case trusted.InsecureSkipVerify && trusted.RootCAs == nil: // by skip_hostname, which verifies all else
		return well("skip_hostname trusts every certificate of every public authority, which anybody can get one from: whoever stands between can read the password").
			as(Warning, "give ca_file with the one authority of this Redis, or leave skip_hostname out")
	}
	return well("what is sent to %s goes by TLS, and it knows who asks", away)
}

// shutDefault is what to do where the default user needs no password. Redis takes any password for it then: Sluice may be that
// user itself, and would be shut out with it.
func (p *patient) shutDefault() string {
	if p.option.Username == "" || p.option.Username == "default" {
		return "its default user takes any password, that of the URL, too: set one (requirepass)"
	}
	return "ACL SETUSER default off, once everybody else has a user: replicas (masteruser) and Sentinels (auth-user), too (docs/redis-keys.md)"
}

// unnamedTime is how long the answer to who has no password is waited for.
const unnamedTime = time.Second

// takesAnybody returns the address of the first master that answers who has neither password nor certificate, or "".
func (p *patient) takesAnybody(ctx context.Context) string {
	for _, n := range p.masters {
		if p.answersAnybody(ctx, n.name) {
			return n.name
		}
	}
	return ""
}

// answersAnybody connects as the client does, and says nothing of who asks. A certificate would say it, too: where Redis wants
// one, not everybody is let in.
func (p *patient) answersAnybody(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, unnamedTime)
	defer cancel()
	trusted := p.option.TLSConfig
	if trusted != nil {
		trusted = trusted.Clone()
		trusted.Certificates = nil
	}
	conn, err := p.option.DialCtxFn(ctx, address, &p.option.Dialer, trusted)
	if err != nil {
		return false
	}
	defer conn.Close()
	const pong = "+PONG"
	answer := make([]byte, len(pong))
	if conn.SetDeadline(time.Now().Add(unnamedTime)) != nil {
		return false
	}
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return false
	}
	_, err = io.ReadFull(conn, answer)
	return err == nil && string(answer) == pong
}

// addresses are those of the servers that keys are sent to. The URL may have others: Sentinels, or some nodes of a Cluster.
func (p *patient) addresses() []string {
	all := slices.Clone(p.silent)
	for _, n := range p.masters {
		all = append(all, n.name)
	}
	return all
}

func isLocal(address string) bool {
	if strings.HasPrefix(address, "/") {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
