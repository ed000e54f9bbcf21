package journal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/journal"
)

func TestWrite_SaysWhoDidWhatInTheirTransaction(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		before := time.Now().UnixMilli()
		err := db.Write(ctx, func(tx *database.Tx) error {
			if err := journal.Write(ctx, tx, "create", "list", 7, map[string]any{"name": "news"}); err != nil {
				return err
			}
			if err := journal.Write(journal.WithActor(ctx, "token:9"), tx, "rename", "list", 7, nil); err != nil {
				return err
			}
			return journal.Write(ctx, tx, "create", "campaign", 7, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := journal.Of(ctx, db, "list", 7)
		if err != nil || len(got) != 2 {
			t.Fatalf("%+v, %v, want two entries", got, err)
		}
		if e := got[0]; e.Verb != "create" || e.Actor != "facteur" || e.Object != "list" || e.ObjectID != 7 || e.At < before || e.At > time.Now().UnixMilli() ||
			e.Details != `{"name":"news"}` && e.Details != `{"name": "news"}` {
			t.Errorf("the first: %+v", e)
		}
		if e := got[1]; e.Verb != "rename" || e.Actor != "token:9" || e.Details != "{}" || e.ID <= got[0].ID {
			t.Errorf("the second: %+v", e)
		}
	})
}

func TestWrite_IsUndoneWithItsChange(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		no := errors.New("no")
		err := db.Write(t.Context(), func(tx *database.Tx) error {
			if err := journal.Write(t.Context(), tx, "create", "list", 7, nil); err != nil {
				return err
			}
			return no
		})
		if !errors.Is(err, no) {
			t.Fatal(err)
		}
		if got, err := journal.Of(t.Context(), db, "list", 7); err != nil || len(got) != 0 {
			t.Errorf("%+v, %v, want nothing", got, err)
		}
	})
}

func TestWrite_RefusesDetailsThatAreNoJSON(t *testing.T) {
	db := databasetest.New(t)
	err := db.Write(t.Context(), func(tx *database.Tx) error {
		return journal.Write(t.Context(), tx, "create", "list", 7, make(chan int))
	})
	if err == nil {
		t.Error("a channel was written")
	}
}

func TestActor_IsTheProgramUnlessSaidOtherwise(t *testing.T) {
	ctx := context.Background()
	if got := journal.Actor(ctx); got != "facteur" {
		t.Errorf("%q", got)
	}
	if got := journal.Actor(journal.WithActor(journal.WithActor(ctx, "token:1"), "recipient")); got != "recipient" {
		t.Errorf("%q", got)
	}
}
