package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluice-project/sluice"
)

// Job is what a schedule does: exactly one of the fields is set.
type Job struct {
	Reset    *Reset
	Set      *Set
	Adjust   *Adjust
	Override *Override
	Block    *Block
}

// Reset forgets the counters of all keys of a policy.
type Reset struct {
	// Policy is the name of the policy.
	Policy string
}

// Set changes fields of a policy.
type Set struct {
	// Policy is the name of the policy.
	Policy string
	// Limits stand in the place of all limits of the policy: 1 to [sluice.MaxLimits] with different names.
	Limits []sluice.Limit
}

// Adjust moves the count of one limit of a policy, and not its burst.
type Adjust struct {
	// Policy is the name of the policy, Limit that of the limit.
	Policy, Limit string
	// By is how far the count is moved, up or down; not 0, and at most [sluice.MaxCount] either way.
	By int64
	// Min is the least count that it is moved to, 1 to [sluice.MaxCount]. The default is 1.
	Min int64
	// Max is the greatest count that it is moved to, Min to [sluice.MaxCount]. The default is [sluice.MaxCount].
	Max int64
}

// Override gives one key limits of its own. It is for an exact key: those for a prefix are part of the policy.
type Override struct {
	// Policy is the name of the policy.
	Policy string
	// Key is the key: UTF-8, and no pattern.
	Key string
	// Limits stand in the place of all limits of the policy: 1 to [sluice.MaxLimits] with different names.
	Limits []sluice.Limit
	// For is how long from when it is carried out, 1ms to [sluice.MaxPeriod]. The default is for good.
	For time.Duration
}

// Block bars one key.
type Block struct {
	// Policy is the name of the policy.
	Policy string
	// Key is the key: UTF-8.
	Key string
	// For is how long from when it is carried out, 1ms to [sluice.MaxPeriod].
	For time.Duration
	// Reason says why, for people: at most [sluice.MaxReasonBytes] of UTF-8. The default is none.
	Reason string
}

// Kind returns the name of the field that is set, as documents spell it, such as "adjust"; "" where none is.
func (j Job) Kind() string {
	switch {
	case j.Reset != nil:
		return "reset"
	case j.Set != nil:
		return "set"
	case j.Adjust != nil:
		return "adjust"
	case j.Override != nil:
		return "override"
	case j.Block != nil:
		return "block"
	}
	return ""
}

// Policy returns the name of the policy that the job is about; "" where no field is set.
func (j Job) Policy() string {
	switch {
	case j.Reset != nil:
		return j.Reset.Policy
	case j.Set != nil:
		return j.Set.Policy
	case j.Adjust != nil:
		return j.Adjust.Policy
	case j.Override != nil:
		return j.Override.Policy
	case j.Block != nil:
		return j.Block.Policy
	}
	return ""
}

// Key returns the key that the job is about; "" where it is about the whole policy.
func (j Job) Key() string {
	switch {
	case j.Override != nil:
		return j.Override.Key
	case j.Block != nil:
		return j.Block.Key
	}
	return ""
}

// Fits returns nil where the job can be done to a policy as it is, else a [*sluice.InvalidError]: an [Adjust] needs its
// limit.
func (j Job) Fits(p sluice.Policy) error {
	if j.Adjust == nil {
		return nil
	}
	_, err := j.Adjust.find(p)
	return err
}

// Apply returns the policy as it is to be. The policy that it was given stays as it is.
func (s *Set) Apply(p sluice.Policy) sluice.Policy {
	p.Limits = slices.Clone(s.Limits)
	return p
}

// faults returns everything that is wrong with the job.
func (j Job) faults() (faults []*sluice.InvalidError) {
	set := 0
	for _, is := range []bool{j.Reset != nil, j.Set != nil, j.Adjust != nil, j.Override != nil, j.Block != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		faults = append(faults, &sluice.InvalidError{
			Field:   "job",
			Problem: fmt.Sprintf("there are %d; give exactly one of reset, set, adjust, override and block", set),
		})
	}
	if j.Reset != nil {
		faults = append(faults, policyFaults("reset.", j.Reset.Policy)...)
	}
	if j.Set != nil {
		faults = append(faults, policyFaults("set.", j.Set.Policy)...)
		faults = append(faults, limitsFaults("set.", j.Set.Limits)...)
	}
	if j.Adjust != nil {
		faults = append(faults, j.Adjust.faults()...)
	}
	if j.Override != nil {
		faults = append(faults, j.Override.faults()...)
	}
	if j.Block != nil {
		faults = append(faults, j.Block.faults()...)
	}
	return faults
}

func (o *Override) faults() []*sluice.InvalidError {
	faults := policyFaults("override.", o.Policy)
	faults = append(faults, keyFaults("override.", o.Key)...)
	if strings.HasSuffix(o.Key, "*") {
		faults = append(faults, &sluice.InvalidError{
			Field: "override.key",
			Problem: fmt.Sprintf("%.64q is a pattern, and a schedule overrides one exact key; "+
				"give a prefix among the policy's overrides", o.Key),
		})
	}
	a := sluice.Amendment{Key: o.Key, Except: &sluice.Exception{Limits: o.Limits, For: o.For}}
	return append(faults, invalidErrors("override.", a.Validate())...)
}

func (b *Block) faults() []*sluice.InvalidError {
	faults := policyFaults("block.", b.Policy)
	faults = append(faults, keyFaults("block.", b.Key)...)
	a := sluice.Amendment{Key: b.Key, Bar: &sluice.Bar{For: b.For, Reason: b.Reason}}
	return append(faults, invalidErrors("block.", a.Validate())...)
}

// policyFaults returns what is wrong with the name of a policy.
func policyFaults(prefix, name string) []*sluice.InvalidError {
	problem := nameProblem(name)
	switch {
	case problem == "":
		return nil
	case name == "":
		problem = "it is missing; give the name of a policy"
	}
	return []*sluice.InvalidError{{Field: prefix + "policy", Problem: problem}}
}

// limitsFaults returns what is wrong with the limits of a policy.
func limitsFaults(prefix string, limits []sluice.Limit) []*sluice.InvalidError {
	return invalidErrors(prefix, sluice.Policy{Name: "any", Limits: limits}.Validate())
}

// keyFaults returns what makes a key unfit for a document, besides what no key can be.
func keyFaults(prefix, key string) []*sluice.InvalidError {
	if utf8.ValidString(key) {
		return nil
	}
	return []*sluice.InvalidError{{
		Field: prefix + "key", Problem: "it is no UTF-8; a schedule can name only a key that is text",
	}}
}
