package sending

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// The kinds of warm-up of a domain.
const (
	ConservativeWarmup = "conservative" // the built-in ramp
	OwnWarmup          = "own"          // the operator's own table
	NoWarmup           = "none"         // an established domain
)

// mostSteps bounds an operator's own ramp.
const mostSteps = 365

// checkWarmup fills in what is left out and refuses what cannot be.
func (d *Domain) checkWarmup() error {
	if d.Ramp == "" {
		d.Ramp = "[]"
	}
	steps, err := d.Steps()
	if err != nil {
		return err
	}
	switch d.Warmup {
	case "":
		d.Warmup = ConservativeWarmup
		if len(steps) > 0 {
			d.Warmup = OwnWarmup
		}
	case ConservativeWarmup, NoWarmup, OwnWarmup:
	default:
		return invalid("warmup", "%q is unknown: want conservative, none or own", d.Warmup)
	}
	if (d.Warmup == OwnWarmup) != (len(steps) > 0) {
		return invalid("ramp", "goes with the warm-up own, and it with a ramp: give the mails of each sending day, such as [100, 200, 400]")
	}
	if len(steps) > mostSteps {
		return invalid("ramp", "has %d steps: at most %d", len(steps), mostSteps)
	}
	for i, n := range steps {
		if n <= 0 || i > 0 && n < steps[i-1] {
			return invalid("ramp", "step %d is %d: each is at least 1 and no less than the one before", i+1, n)
		}
	}
	if d.Timezone == "" {
		d.Timezone = "UTC"
	}
	if _, err := time.LoadLocation(d.Timezone); err != nil || d.Timezone == "Local" {
		return invalid("timezone", "%q is unknown: want an IANA name such as Europe/Paris", d.Timezone)
	}
	return nil
}

// Steps is the domain's own ramp; empty when it has none.
func (d Domain) Steps() (steps []int64, err error) {
	if err := json.Unmarshal([]byte(d.Ramp), &steps); err != nil {
		return nil, fmt.Errorf("ramp of %s: %w", d.Name, err)
	}
	return steps, nil
}

// Zone is where the domain's days begin.
func (d Domain) Zone() *time.Location {
	zone, err := time.LoadLocation(d.Timezone)
	if err != nil {
		return time.UTC // it was checked when it was set; the system's table has changed since
	}
	return zone
}

// SetWarmup changes how a domain warms up. A domain that begins to does so at
// once: what begins after the commit counts in a day, or does not begin. A day
// that is under way ends as it began, whatever zone comes after it.
func (s *Store) SetWarmup(ctx context.Context, tx *database.Tx, d Domain) (Domain, error) {
	if err := tx.Gate(ctx, true); err != nil { // in turn with the begins
		return Domain{}, err
	}
	if err := d.checkWarmup(); err != nil {
		return Domain{}, err
	}
	if err := tx.Touch(ctx, database.Terms); err != nil {
		return Domain{}, err
	}
	n, err := tx.Exec(ctx, `UPDATE domains SET warmup = ?, ramp = ?, timezone = ? WHERE id = ?`, d.Warmup, d.Ramp, d.Timezone, d.ID)
	if err == nil && n == 0 {
		err = database.ErrNotFound
	}
	if err != nil {
		return Domain{}, fmt.Errorf("warm-up of domain %d: %w", d.ID, err)
	}
	err = journal.Write(ctx, tx, "warmup", "domain", d.ID, map[string]any{"warmup": d.Warmup, "ramp": json.RawMessage(d.Ramp), "timezone": d.Timezone})
	if err != nil {
		return Domain{}, err
	}
	return s.With(tx).Domain(ctx, d.ID)
}
