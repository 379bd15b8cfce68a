package lease

import (
	"context"
	"time"

	"github.com/sluice-project/sluice"
)

// Lender is a store that lends units. store/redisstore is one.
type Lender interface {
	sluice.Store
	// Lend carries out several asks, each for itself and in one step, and returns the answers in their order. The policy of
	// each has a lease. As with checks, an error that wraps [sluice.ErrUncertain] says that the ask may have been carried
	// out, and every other that it was not. Lend is safe for concurrent use.
	Lend(ctx context.Context, asks []Ask) []Answer
}

// Loan is units that a server holds of a key, until an instant of the store's clock. By both the store knows it again: no
// two loans of one key end at one instant.
type Loan struct {
	End   sluice.Tick
	Units int64
}

// Ask is what a server asks of one key: to account for what it holds, to lend it more, or both.
type Ask struct {
	Policy *sluice.Policy
	Key    string
	// Held is what the server holds of the key; the zero Loan is nothing. Spent is how many units of it have been spent.
	Held  Loan
	Spent int64
	// Keep says that the server holds on to what is not spent, and goes on spending while it asks. Otherwise it has ended
	// spending, and gives the rest back.
	Keep bool
	// Want is how many units it wants besides, 0 to [sluice.MaxCount].
	Want int64
	// Before and At are those of [sluice.Request].
	Before, At sluice.Tick
}

// Answer is what became of an ask.
type Answer struct {
	// Now is the instant of the store's clock at which it was carried out.
	Now sluice.Tick
	// Loan is what the server holds from then on, in the place of what it held; the zero Loan is nothing. All its units
	// are charged to every limit of the policy.
	Loan Loan
	// Kept says that the units that the server kept are among those of Loan. Otherwise they are no longer its own: the loan
	// had ended, or the store does not know it any more.
	Kept bool
	// Stands says that the key is barred or has limits of its own, so that nothing is lent; and that what the server held
	// is still out, and should be given back.
	Stands bool
	// Limits is the standing of each limit of the policy after that, in its order; of those that hold for the key where
	// nothing is lent.
	Limits []State
	Err    error
}

// State is what a limit says of a key besides a check.
type State struct {
	// ResetAfter is that of [sluice.Outcome], counted from the answer's Now.
	ResetAfter time.Duration
	// Remaining is how many units it has left in the store. Those that are lent are not among them.
	Remaining int64
}
