package record

// Secret is a certificate or a token of a server, from when it was written into the server's file until it was taken out.
type Secret struct {
	Server   int
	Kind     string // Certificate or Token
	Number   int    // they are counted from 0, each kind by itself
	From, To int64  // 0 where it was there at the beginning, or still is
}

// The kinds of secrets.
const (
	Certificate = "certificate"
	Token       = "token"
)

// Ways are the ways in on which it is seen whether a secret counts; Held is a connection of a client of Redis that has shown
// its token before.
var Ways = []string{"HTTP", "gRPC", "RESP"}

// Held is described at [Ways].
const Held = "RESP, shown before"

// Shown is that a token was shown to a server, or that a server has shown a certificate, on a connection that was made for it.
type Shown struct {
	Server      int
	Kind        string
	Number      int
	Way         string
	Asked, Took int64
	Counts      bool // the token was let in; a certificate that is shown counts
}
