package worker

import (
	"context"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
)

// held is the key of the lock at which these tests hold a begin up; ours are others.
const held = 1

// Laws 3 and 9, at the recorder's own commit: a no that comes while a begin
// stands between its questions and its commit waits for that commit; one that
// was first is waited for. On SQLite the writer is alone.
func TestBegin_IsInTurnWithANo(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"deliveries", "letters"} {
		begin := func(d *door, m *letterMail) bool {
			if table == "letters" {
				return d.recorder.turn(m.line, nil, m)
			}
			return d.recorder.turn(d.delivery.batch.line, nil, d.delivery)
		}
		for name, no := range map[string]func(ctx context.Context, tx *database.Tx, d *door) error{
			"a suppression": func(ctx context.Context, tx *database.Tx, d *door) error {
				return d.people.Suppress(ctx, tx, d.delivery.to, 0, "complaint", "test")
			},
			"an erasure": func(ctx context.Context, tx *database.Tx, d *door) error {
				return d.people.Erase(ctx, tx, d.delivery.person.ID, "test")
			},
			"a stop": func(ctx context.Context, tx *database.Tx, d *door) error {
				_, err := d.campaigns.StopAll(ctx, tx, "wrong price")
				return err
			},
		} {
			t.Run(table+", "+name+" in the middle of the begin", func(t *testing.T) {
				db := databasetest.Open(t, databasetest.Postgres(t))
				d := newDoor(t, db)
				m := d.letterAt(sending.TestLetter)
				saw, begun := d.during(table, func() bool { return begin(d, m) },
					func(ctx context.Context, tx *database.Tx) error { return no(ctx, tx, d) })
				if !begun || saw != 1 {
					t.Errorf("begun: %v; the no saw %d begun, and must come after it", begun, saw)
				}
			})
			if name != "a suppression" {
				continue // the same lock, the other way round
			}
			t.Run(table+", "+name+" before the begin's commit", func(t *testing.T) {
				db := databasetest.Open(t, databasetest.Postgres(t))
				d := newDoor(t, db)
				m := d.letterAt(sending.TestLetter)
				begun := true
				first, _ := databasetest.Overlap(t, db, func(ctx context.Context, tx *database.Tx) error { return no(ctx, tx, d) }, func() error {
					begun = begin(d, m)
					return nil
				})
				if first != nil || begun {
					t.Errorf("begun: %v, and the no was first; %v", begun, first)
				}
			})
		}
	}
}

// during holds a begin up where it marks its row, lets a no come, and returns
// how many rows the no saw begun.
func (d *door) during(table string, begin func() bool, no func(context.Context, *database.Tx) error) (saw int, begun bool) {
	d.Helper()
	d.exec(`CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END'`)
	d.exec(`CREATE TRIGGER hold_up BEFORE UPDATE ON ` + table + ` FOR EACH ROW
		WHEN (NEW.status = 'sending' AND OLD.status = 'queued') EXECUTE FUNCTION hold_up()`)
	began, said := make(chan bool, 1), make(chan error, 1)
	d.write(func(tx *database.Tx) error { // which holds the begin up
		if _, err := tx.Exec(d.ctx, `SELECT pg_advisory_xact_lock(?)`, held); err != nil {
			return err
		}
		go func() { began <- begin() }()
		d.waiting(1)
		go func() {
			said <- d.db.Write(d.ctx, func(tx *database.Tx) error {
				if err := no(d.ctx, tx); err != nil {
					return err
				}
				return tx.Get(d.ctx, &saw, `SELECT COUNT(*) FROM `+table+` WHERE status = 'sending'`)
			})
		}()
		d.waiting(2)
		return nil
	})
	select {
	case begun = <-began:
	case <-time.After(30 * time.Second):
		d.Fatal("the begin has not ended")
	}
	d.must(<-said)
	return saw, begun
}

// waiting returns once so many wait for a lock, or a second later: whoever
// should wait and does not is found by what they do.
func (d *door) waiting(n int) {
	d.Helper()
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		var now int
		asked := make(chan error)
		go func() { // beside the transaction that asks
			asked <- d.db.Get(d.ctx, &now, `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
		}()
		d.must(<-asked)
		if now >= n {
			return
		}
	}
}
