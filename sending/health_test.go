package sending_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/journal"
	"facteur/internal/keyring"
	"facteur/migrations"
	"facteur/sending"
)

// house is a store whose clock the test moves.
type house struct {
	*testing.T
	*sending.Store
	db  *database.DB
	now time.Time
}

// each runs the test on both engines.
func each(t *testing.T, test func(h *house)) {
	for name, url := range map[string]func(testing.TB) string{"SQLite": databasetest.SQLite, "PostgreSQL": databasetest.Postgres} {
		t.Run(name, func(t *testing.T) { test(newHouse(t, url(t))) })
	}
}

func newHouse(t *testing.T, url string) *house {
	t.Helper()
	h := &house{T: t, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	var err error
	if h.db, err = database.Open(t.Context(), url, database.Options{Alone: true, Now: func() time.Time { return h.now }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.db.Close() })
	if err := migrations.Up(t.Context(), h.db); err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.Open(t.Context(), h.db, "a secret of the tests")
	if err != nil {
		t.Fatal(err)
	}
	h.Store = sending.NewStore(h.db, keys)
	return h
}

// write runs change in a transaction.
func (h *house) write(change func(ctx context.Context, tx *database.Tx) error) error {
	h.Helper()
	return h.db.Write(h.Context(), func(tx *database.Tx) error { return change(h.Context(), tx) })
}

// do is write that must succeed.
func (h *house) do(change func(ctx context.Context, tx *database.Tx) error) {
	h.Helper()
	if err := h.write(change); err != nil {
		h.Fatal(err)
	}
}

func (h *house) createRelay(r sending.Relay) sending.Relay {
	h.Helper()
	h.do(func(ctx context.Context, tx *database.Tx) (err error) {
		r, err = h.CreateRelay(ctx, tx, r, nil)
		return err
	})
	return r
}

func (h *house) rest(id int64, trouble sending.Trouble) sending.Health {
	h.Helper()
	var got sending.Health
	h.do(func(ctx context.Context, tx *database.Tx) (err error) {
		got, err = h.Rest(ctx, tx, id, trouble)
		return err
	})
	if stored := h.health(id); stored != got {
		h.Fatalf("stored %+v, told %+v", stored, got)
	}
	return got
}

func (h *house) recover(id int64) sending.Health {
	h.Helper()
	h.do(func(ctx context.Context, tx *database.Tx) error { return h.Recovered(ctx, tx, id) })
	return h.health(id)
}

func (h *house) resume(id int64) sending.Health {
	h.Helper()
	h.do(func(ctx context.Context, tx *database.Tx) error { return h.Resume(ctx, tx, id) })
	return h.health(id)
}

func (h *house) health(id int64) sending.Health {
	h.Helper()
	r, err := h.Relay(h.Context(), id)
	if err != nil {
		h.Fatal(err)
	}
	return r.Health
}

func (h *house) ms() int64 { return h.now.UnixMilli() }

// verbs are the journal's about an object.
func (h *house) verbs(object string, id int64) (verbs []string) {
	h.Helper()
	entries, err := journal.Of(h.Context(), h.db, object, id)
	if err != nil {
		h.Fatal(err)
	}
	for _, e := range entries {
		verbs = append(verbs, e.Verb)
	}
	return verbs
}

var (
	outage  = sending.Trouble{Reason: "does not answer"}
	refuses = sending.Trouble{Reason: "refuses us", Refused: true}
	loses   = sending.Trouble{Reason: "loses answers", Doubts: true}
)

func TestHealth_RestsLongerUntilAMessageIsAccepted(t *testing.T) {
	each(t, func(h *house) {
		id := h.createRelay(sending.Relay{Host: "relay.test"}).ID
		if got := h.health(id); got != (sending.Health{State: sending.Healthy}) || !got.Usable(h.ms()) {
			h.Fatalf("a new relay: %+v", got)
		}
		first := h.rest(id, outage)
		if first.State != sending.Resting || first.Rests != 1 || first.Reason != outage.Reason || first.Since != h.ms() || first.Until <= h.ms() || first.Until > h.ms()+2000 {
			h.Fatalf("the first rest: %+v", first)
		}
		if first.Usable(h.ms()) || first.Usable(first.Until-1) || !first.Usable(first.Until) {
			h.Error("it is usable before its rest is over, or not after")
		}
		if again := h.rest(id, refuses); again != first {
			h.Errorf("a rest within a rest: %+v, want %+v", again, first)
		}
		if got := h.recover(id); got != first {
			h.Errorf("a late answer within a rest recovers it: %+v", got)
		}

		h.now = time.UnixMilli(first.Until + 500)
		second := h.rest(id, refuses)
		if second.Rests != 2 || second.RestedMS != first.Until-first.Since || second.Until < h.ms()+48_000 || second.Until > h.ms()+60_000 {
			h.Fatalf("the second rest: %+v", second)
		}
		if got := second.Rested(h.ms() + 100); got != second.RestedMS+100 {
			h.Errorf("rested %d ms, want %d", got, second.RestedMS+100)
		}

		h.now = time.UnixMilli(second.Until)
		want := sending.Health{State: sending.Healthy, RestedMS: first.Until - first.Since + second.Until - second.Since}
		if got := h.recover(id); got != want || got.Rested(h.ms()+1000) != want.RestedMS {
			h.Errorf("recovered: %+v, want %+v", got, want)
		}
		if got := h.recover(id); got != want {
			h.Errorf("recovered twice: %+v", got)
		}
		if got := h.rest(id, outage); got.Rests != 1 || got.Until > h.ms()+2000 {
			h.Errorf("the first rest after a recovery: %+v", got)
		}
		if got := h.verbs("relay", id); len(got) != 5 || got[1] != "rest" || got[2] != "rest" || got[3] != "recover" || got[4] != "rest" {
			h.Errorf("journal: %q", got)
		}
	})
}

func TestHealth_StopsAfterTenRestsInARow(t *testing.T) {
	for name, trouble := range map[string]sending.Trouble{"refuses": refuses, "loses": loses} {
		t.Run(name, func(t *testing.T) {
			each(t, func(h *house) {
				id := h.createRelay(sending.Relay{Host: "relay.test"}).ID
				var got sending.Health
				for n := 1; n <= 10; n++ {
					got = h.rest(id, trouble)
					if stopped := got.State == sending.Stopped; stopped != (n == 10) || got.Rests != n || got.Doubting != trouble.Doubts {
						h.Fatalf("rest %d: %+v", n, got)
					}
					h.now = h.now.Add(time.Hour)
				}
				if got.Usable(h.ms() + 1e12) {
					h.Error("a stopped relay is usable")
				}
				if again := h.recover(id); again != got {
					h.Errorf("an answer recovers a stopped relay: %+v", again)
				}
				if again := h.rest(id, trouble); again != got {
					h.Errorf("a stopped relay rests: %+v", again)
				}
				rested := got.Rested(h.ms())
				if got := h.resume(id); got != (sending.Health{State: sending.Healthy, RestedMS: rested}) {
					h.Errorf("resumed: %+v, want all its %d ms counted", got, rested)
				}
				verbs := h.verbs("relay", id)
				if n := len(verbs); n != 12 || verbs[n-2] != "stop" || verbs[n-1] != "resume" {
					h.Errorf("journal: %q", verbs)
				}
			})
		})
	}
}

func TestHealth_AnOutageNeverStopsARelay(t *testing.T) {
	h := newHouse(t, databasetest.SQLite(t))
	id := h.createRelay(sending.Relay{Host: "relay.test"}).ID
	for range 30 {
		if got := h.rest(id, outage); got.State != sending.Resting {
			t.Fatalf("%+v", got)
		}
		h.now = h.now.Add(time.Hour)
	}
}

func TestHealth_StaysInDoubtUntilAPlainAnswer(t *testing.T) {
	each(t, func(h *house) {
		id := h.createRelay(sending.Relay{Host: "relay.test"}).ID
		h.rest(id, loses)
		h.now = h.now.Add(time.Hour)
		if got := h.rest(id, outage); !got.Doubting || got.Rests != 2 {
			h.Errorf("an outage ends the doubts: %+v", got)
		}
		h.now = h.now.Add(time.Hour)
		if got := h.recover(id); got.Doubting || got.State != sending.Healthy || got.Rests != 0 {
			h.Errorf("recovered: %+v", got)
		}
	})
}

func TestHealth_ResumesARestingRelay(t *testing.T) {
	h := newHouse(t, databasetest.SQLite(t))
	id := h.createRelay(sending.Relay{Host: "relay.test"}).ID
	h.rest(id, refuses)
	h.now = h.now.Add(time.Second)
	if got := h.resume(id); got != (sending.Health{State: sending.Healthy, RestedMS: 1000}) {
		t.Errorf("resumed: %+v", got)
	}
}

func TestHealth_IsOnlyOfRelaysThereAre(t *testing.T) {
	h := newHouse(t, databasetest.SQLite(t))
	for name, change := range map[string]func(context.Context, *database.Tx) error{
		"rest":    func(ctx context.Context, tx *database.Tx) error { _, err := h.Rest(ctx, tx, 1, outage); return err },
		"recover": func(ctx context.Context, tx *database.Tx) error { return h.Recovered(ctx, tx, 1) },
		"resume":  func(ctx context.Context, tx *database.Tx) error { return h.Resume(ctx, tx, 1) },
	} {
		if err := h.write(change); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
