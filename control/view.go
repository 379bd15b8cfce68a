package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/schedule"
	"github.com/sluice-project/sluice/store/ledger"
)

// The kinds of the ledger's entries, and the logs.
const (
	policyKind   = "policy"   // a policyValue, by the policy's name
	scheduleKind = "schedule" // a schedule's document, by its name
	tickKind     = "tick"     // the last tick of a schedule that needs nothing done any more, in ticks, by its name
	outboxKind   = "outbox"   // an outboxValue, by what it does to which key
	baseKind     = "base"     // a baseValue, by baseName

	auditLog      = "audit"
	historyPrefix = "history/" // and the name of the schedule
)

// knowsNothing is the version that the first change to an empty ledger says it brings back: an older one than any
// server can know. A ledger that was lost is empty, too. So whoever does know what it held writes that again, unless
// something else has been changed by then.
const knowsNothing ledger.Version = 1

// view is what the ledger contained at one version. It is not changed.
type view struct {
	version   ledger.Version
	restored  ledger.Version
	alone     bool        // it is what a file says, because the ledger was never reached
	now       sluice.Tick // by the store's clock, when it was read
	policies  map[string]heldPolicy
	schedules map[string]heldSchedule
	ticks     map[string]heldTick
	outbox    []ledger.Entry
	base      heldBase
	raw       []ledger.Entry // all of it, to be written again where it gets lost
	snapshot  *policy.Snapshot
}

// heldPolicy is a policy as the ledger holds it.
type heldPolicy struct {
	policy.Policy
	revision ledger.Version
	value    []byte // that it was read from
}

// heldSchedule is a schedule as the ledger holds it.
type heldSchedule struct {
	*schedule.Compiled
	revision ledger.Version
}

// heldTick says up to which tick a schedule needs nothing done.
type heldTick struct {
	done     sluice.Tick
	revision ledger.Version
}

// heldBase is the configuration file that was applied last.
type heldBase struct {
	baseValue
	revision ledger.Version // 0 where there is none
}

// policyValue is what an entry of a policy says.
type policyValue struct {
	ResetAt  sluice.Tick     `json:"reset_at,omitzero"`
	Document json.RawMessage `json:"document"`
}

func emptyView() *view {
	v := &view{
		policies: map[string]heldPolicy{}, schedules: map[string]heldSchedule{}, ticks: map[string]heldTick{},
	}
	v.snapshot, _ = v.compile(0) // of nothing
	return v
}

// newView reads what the ledger contains. What cannot be read stays as it was in the view before, and is an error.
func newView(contents ledger.Contents, before *view) (*view, error) {
	v := emptyView()
	v.version, v.restored, v.now, v.raw = contents.Version, contents.Restored, contents.Now, contents.Entries
	var errs []error
	for _, e := range contents.Entries {
		if err := v.read(e, before); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", e.Kind, e.Name, err))
		}
	}
	return v, errors.Join(errs...)
}

func (v *view) read(e ledger.Entry, before *view) error {
	switch e.Kind {
	case policyKind:
		held, ok := before.policies[e.Name]
		if ok && bytes.Equal(held.value, e.Value) { // to read a long document takes longer than a check can wait
			held.revision = e.Revision
			v.policies[e.Name] = held
			return nil
		}
		p, err := readPolicy(e)
		if err != nil {
			if ok {
				v.policies[e.Name] = held
			}
			return err
		}
		v.policies[e.Name] = heldPolicy{p, e.Revision, e.Value}
	case scheduleKind:
		s, err := readSchedule(e)
		if err != nil {
			if held, ok := before.schedules[e.Name]; ok {
				v.schedules[e.Name] = held
			}
			return err
		}
		v.schedules[e.Name] = heldSchedule{s, e.Revision}
	case tickKind:
		done, err := strconv.ParseInt(string(e.Value), 10, 64)
		if err != nil {
			return err
		}
		v.ticks[e.Name] = heldTick{sluice.Tick(done), e.Revision}
	case outboxKind:
		v.outbox = append(v.outbox, e)
	case baseKind:
		v.base.revision = e.Revision
		return json.Unmarshal(e.Value, &v.base.baseValue)
	default:
		return errors.New("there is no such kind of entry in this version")
	}
	return nil
}

func readPolicy(e ledger.Entry) (policy.Policy, error) {
	var value policyValue
	if err := json.Unmarshal(e.Value, &value); err != nil {
		return policy.Policy{}, err
	}
	p, err := policy.ParseDocument(e.Name, value.Document)
	if err != nil {
		return p, err
	}
	p.ResetAt = value.ResetAt
	return p, p.Validate()
}

func policyEntry(p *policy.Policy) ledger.Entry {
	value, err := json.Marshal(policyValue{ResetAt: p.ResetAt, Document: p.Document()})
	if err != nil {
		panic(err) // of a document that this process has just written
	}
	return ledger.Entry{Kind: policyKind, Name: p.Name, Value: value}
}

func readSchedule(e ledger.Entry) (*schedule.Compiled, error) {
	s, err := schedule.ParseDocument(e.Name, e.Value)
	if err != nil {
		return nil, err
	}
	return s.Compile()
}

func scheduleEntry(s schedule.Schedule) ledger.Entry {
	return ledger.Entry{Kind: scheduleKind, Name: s.Name, Value: s.Document()}
}

func tickEntry(name string, done sluice.Tick) ledger.Entry {
	return ledger.Entry{Kind: tickKind, Name: name, Value: strconv.AppendInt(nil, int64(done), 10)}
}

// knows is the version that the view brings back into a ledger which has lost it.
func (v *view) knows() ledger.Version {
	if v.restored == knowsNothing {
		return knowsNothing
	}
	return v.version
}

// entries returns all that the ledger contained.
func (v *view) entries() []ledger.Entry { return v.raw }

// compile returns the policies as they are to be decided by at an instant.
func (v *view) compile(now sluice.Tick) (*policy.Snapshot, error) {
	all := make([]policy.Policy, 0, len(v.policies))
	for _, name := range slices.Sorted(maps.Keys(v.policies)) {
		all = append(all, v.policies[name].Policy)
	}
	return policy.NewSnapshot(all, time.UnixMicro(int64(now)))
}

// anchored returns a change that is made from the view, and that is not carried out in a ledger which has lost what it
// contained: there it would stand alone, in the way of all that is to be restored.
func (v *view) anchored(change ledger.Change) ledger.Change {
	base := ledger.Expectation{Kind: baseKind, Name: baseName, Revision: v.base.revision}
	if base.Revision != 0 && !slices.Contains(change.Expect, base) {
		change.Expect = append(change.Expect, base)
	}
	return change
}

// expectPolicy says that a policy is as the view holds it, or not there.
func (v *view) expectPolicy(name string) ledger.Expectation {
	return ledger.Expectation{Kind: policyKind, Name: name, Revision: v.policies[name].revision}
}

func (v *view) expectSchedule(name string) ledger.Expectation {
	return ledger.Expectation{Kind: scheduleKind, Name: name, Revision: v.schedules[name].revision}
}

func (v *view) expectTick(name string) ledger.Expectation {
	return ledger.Expectation{Kind: tickKind, Name: name, Revision: v.ticks[name].revision}
}
