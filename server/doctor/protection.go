package doctor

import (
	"context"
	"net"
	"slices"
	"strings"
)

// protection says whether others can read what is sent, or ask without a password.
func protection(_ context.Context, p *patient) Finding {
	away := ""
	for _, address := range p.addresses() {
		if !isLocal(address) {
			away = address
			break
		}
	}
	open := p.option.Username == "" && p.option.Password == "" && (p.option.TLSConfig == nil || len(p.option.TLSConfig.Certificates) == 0)
	switch {
	case away == "" && p.unseen:
		return well("not told: who the other nodes of the Cluster are").as(Note, "see rights")
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
