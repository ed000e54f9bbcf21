package unsubscribe_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/journal"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/unsubscribe"

	"github.com/prometheus/client_golang/prometheus"
)

// house has two lists and a person who is on both.
type house struct {
	*testing.T
	db     *database.DB
	people *subscribers.Store
	noes   *subscribers.Noes
	lists  []int64
	person int64
	*unsubscribe.OptOut
}

func newHouse(t *testing.T, db *database.DB) *house {
	t.Helper()
	h := &house{T: t, db: db, people: subscribers.NewStore(db)}
	h.noes = subscribers.NewNoes(h.people)
	h.OptOut = unsubscribe.NewOptOut(db, h.people, h.noes)
	a, err := address.Parse("ann@example.test")
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx *database.Tx) error {
		for _, name := range []string{"news", "shop"} {
			list, err := h.people.CreateList(t.Context(), tx, subscribers.List{Name: name})
			if err != nil {
				return err
			}
			h.lists = append(h.lists, list.ID)
			yes := consent.Statement{Basis: consent.OptIn, Source: "a fair", At: db.Now().Add(-time.Hour)}
			on, err := h.people.Enroll(t.Context(), tx, list.ID, []subscribers.Person{{Address: a}}, yes, false)
			if err != nil || on[0].Err != nil {
				return errors.Join(err, on[0].Err)
			}
			h.person = on[0].ID
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// withdrawn are the lists of the ledger's withdrawals, with their source.
func (h *house) withdrawn(source string) (lists []int64) {
	h.Helper()
	err := h.db.Select(h.Context(), &lists, `SELECT c.list_id FROM consents c JOIN statements s ON s.digest = c.statement WHERE c.subscriber_id = ? AND c.act = 'withdrawn' AND s.text LIKE ? ORDER BY c.list_id`,
		h.person, `%"source":"`+source+`"%`)
	if err != nil {
		h.Fatal(err)
	}
	return lists
}

func (h *house) mailable(list int64) string {
	h.Helper()
	var answers []string
	err := h.db.Write(h.Context(), func(tx *database.Tx) (err error) {
		answers, err = h.people.Mailable(h.Context(), tx, []subscribers.Ask{{SubscriberID: h.person, Key: "ann@example.test", Lists: []int64{list}}})
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return answers[0]
}

func (h *house) leave(lists []int64, source string) {
	h.Helper()
	if err := h.Leave(h.Context(), word(h.person, source), lists); err != nil {
		h.Fatal(err)
	}
}

func TestOptOut_TakesEffectAtOnceAndOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db)
		if h.noes.Has(h.person) || h.mailable(h.lists[0]) != subscribers.Mailable {
			t.Fatal("not mailable before")
		}
		h.leave(h.lists[:1], "one_click")
		if h.mailable(h.lists[0]) != subscribers.Left || h.mailable(h.lists[1]) != subscribers.Mailable {
			t.Error("left the wrong list, or none")
		}
		if !h.noes.Has(h.person) {
			t.Error("the senders of this process were not told")
		}
		others := subscribers.NewNoes(h.people)
		if err := others.Poll(t.Context()); err != nil || !others.Has(h.person) {
			t.Errorf("the senders of another process were not told: %v", err)
		}
		for range 3 {
			h.leave(h.lists[:1], "one_click")
			h.leave(h.lists[:1], "page")
		}
		if got := h.withdrawn("one_click"); !slices.Equal(got, h.lists[:1]) {
			t.Errorf("the ledger says one_click for %v, want %v once", got, h.lists[:1])
		}
		if got := h.withdrawn("page"); got != nil {
			t.Errorf("the ledger says page for %v", got)
		}
		h.leave(h.lists, "page")
		if got := h.withdrawn("page"); !slices.Equal(got, h.lists[1:]) {
			t.Errorf("the ledger says page for %v, want only the list that was left", got)
		}
		h.says("leave", "leave")
	})
}

// says checks the journal about the person: verbs by the recipient.
func (h *house) says(want ...string) {
	h.Helper()
	entries, err := journal.Of(h.Context(), h.db, "subscriber", h.person)
	if err != nil {
		h.Fatal(err)
	}
	var verbs []string
	for _, e := range entries {
		if e.Actor == "recipient" {
			verbs = append(verbs, e.Verb)
		}
	}
	if !slices.Equal(verbs, want) {
		h.Errorf("the recipient did %q, want %q", verbs, want)
	}
}

func TestOptOut_OfNobodyOrNothingChangesNothing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db)
		h.leave(nil, "page")
		if err := h.Leave(t.Context(), word(h.person+1, "page"), h.lists); err != nil {
			t.Errorf("somebody unknown: %v", err)
		}
		if h.mailable(h.lists[0]) != subscribers.Mailable || h.withdrawn("page") != nil {
			t.Error("it changed something")
		}
	})
}

func TestOptOut_IsNotToldWhenItIsNotDurable(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Leave(gone, word(h.person, "page"), h.lists); !errors.Is(err, context.Canceled) {
		t.Errorf("with a request that has gone: %v", err)
	}
	if h.noes.Has(h.person) || h.withdrawn("page") != nil {
		t.Error("a no that was not written is known")
	}
}

func TestOptOut_AtOnceFromManyDoorsIsOne(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db)
		done := make(chan error)
		for range 8 {
			go func() { done <- h.Leave(t.Context(), word(h.person, "one_click"), h.lists) }()
		}
		for range 8 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got := h.withdrawn("one_click"); !slices.Equal(got, h.lists) {
			t.Errorf("the ledger says %v, want %v once each", got, h.lists)
		}
	})
}

func TestOptOut_MeasuresHowLongANoTakes(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	registry := prometheus.NewRegistry()
	registry.MustRegister(h.Metrics()...)
	if err := h.Leave(t.Context(), word(h.person, "one_click"), h.lists); err != nil {
		t.Fatal(err)
	}
	found, err := registry.Gather()
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if taken := found[0].GetMetric()[0].GetHistogram(); taken.GetSampleCount() != 1 || taken.GetSampleSum() <= 0 {
		t.Errorf("measured %v", taken)
	}
}

func word(person int64, source string) unsubscribe.Word {
	return unsubscribe.Word{Reference: unsubscribe.Reference{SubscriberID: person}, Source: source}
}
