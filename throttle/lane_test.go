package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/throttle"
)

func laneID(t *testing.T, db *database.DB, s *throttle.Store, l throttle.Lane) int64 {
	t.Helper()
	var id int64
	err := write(t, db, func(ctx context.Context, tx *database.Tx) (err error) {
		id, err = s.LaneID(ctx, tx, l)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return id
}

func TestStore_GivesALaneOneIDForGood(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		a, b := throttle.NewStore(db), throttle.NewStore(db) // two processes
		lane := throttle.Lane{Domain: "news.test", Provider: "google"}
		id := laneID(t, db, a, lane)
		for _, s := range []*throttle.Store{a, b, a} {
			if got := laneID(t, db, s, lane); got != id {
				t.Errorf("id %d, want %d", got, id)
			}
			if got, err := s.Lane(t.Context(), id); err != nil || got != lane {
				t.Errorf("lane %d is %+v, %v", id, got, err)
			}
		}
		for _, other := range []throttle.Lane{{Domain: "news.test", Provider: "yahoo"}, {Domain: "shop.test", Provider: "google"}} {
			if laneID(t, db, a, other) == id {
				t.Errorf("%+v has the id of %+v", other, lane)
			}
		}
		if _, err := a.Lane(t.Context(), 1); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("unknown lane: %v", err)
		}
	})
}

func TestStore_ForgetsALaneThatWasRolledBack(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s, lane, no := throttle.NewStore(db), throttle.Lane{Domain: "news.test", Provider: "google"}, errors.New("no")
		var lost int64
		err := write(t, db, func(ctx context.Context, tx *database.Tx) (err error) {
			if lost, err = s.LaneID(ctx, tx, lane); err != nil {
				return err
			}
			return no
		})
		if !errors.Is(err, no) {
			t.Fatal(err)
		}
		if _, err := s.Lane(t.Context(), lost); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("the lane that was rolled back: %v", err)
		}
		id := laneID(t, db, s, lane)
		if got, err := s.Lane(t.Context(), id); err != nil || got != lane {
			t.Errorf("lane %d is %+v, %v", id, got, err)
		}
	})
}

func TestStore_GivesConcurrentAskersOneID(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		const askers, lanes = 8, 5
		var ids [askers][lanes]int64
		var all sync.WaitGroup
		for i := range askers {
			all.Go(func() {
				s := throttle.NewStore(db)
				for j := range lanes {
					ids[i][j] = laneID(t, db, s, throttle.Lane{Domain: "news.test", Provider: fmt.Sprint("p", j)})
				}
			})
		}
		all.Wait()
		for i := range askers {
			if ids[i] != ids[0] || ids[i][0] == 0 {
				t.Errorf("asker %d got %v, another %v", i, ids[i], ids[0])
			}
		}
	})
}

func TestProviderOf_KnowsTheLargeOnes(t *testing.T) {
	for domain, want := range map[string]string{
		"gmail.com": "google", "googlemail.com": "google", "outlook.fr": "microsoft", "aol.com": "yahoo", "me.com": "apple",
		"wanadoo.fr": "orange", "free.fr": "free", "web.de": "gmx", "proton.me": "proton",
		"example.com": throttle.Other, "": throttle.Other, "mail.gmail.com": throttle.Other, "google": throttle.Other, "#": throttle.Other,
	} {
		if got := throttle.DefaultProviders().OfDomain(domain); got != want {
			t.Errorf("%q: %s, want %s", domain, got, want)
		}
	}
}
