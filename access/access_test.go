package access_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"facteur/access"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
)

var everything = access.Actor{Name: "admin", Scopes: []string{access.All}}

func open(t *testing.T, db *database.DB, admin string) *access.Store {
	t.Helper()
	keys, err := keyring.Open(t.Context(), db, "0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	return access.NewStore(db, keys, admin)
}

func TestToken_IsShownOnceAndKnownByItsHash(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := open(t, db, "")
		var made access.Token
		var secret string
		err := db.Write(t.Context(), func(tx *database.Tx) (err error) {
			made, secret, err = s.CreateToken(t.Context(), tx, everything, " ci ", []string{"lists:read", "stop:write"})
			return err
		})
		if err != nil || !strings.HasPrefix(secret, "fct_") || len(secret) != 47 || made.Name != "ci" {
			t.Fatal(made, secret, err)
		}
		actor, err := s.Check(t.Context(), secret)
		if err != nil || actor.Name != fmt.Sprintf("token:%d", made.ID) || !actor.May("stop:write") || actor.May("stop:read") || actor.May("lists:write") {
			t.Errorf("%+v %v", actor, err)
		}
		var n int
		if err := db.Get(t.Context(), &n, `SELECT COUNT(*) FROM tokens WHERE hash LIKE ? OR name LIKE ?`, "%fct%", "%fct%"); err != nil || n != 0 {
			t.Error("the secret is in the table", err)
		}
		for range 2 {
			if err := db.Write(t.Context(), func(tx *database.Tx) error { return s.RevokeToken(t.Context(), tx, made.ID) }); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Check(t.Context(), secret); !errors.Is(err, access.ErrToken) {
			t.Errorf("revoked: %v", err)
		}
		all, err := s.Tokens(t.Context(), 0, 10)
		if err != nil || len(all) != 1 || all[0].RevokedAt == 0 {
			t.Error(all, err)
		}
	})
}

func TestCheck_TakesTheTokenOfTheSettingsAndNothingElse(t *testing.T) {
	db := databasetest.New(t)
	s := open(t, db, "secret of the settings")
	if a, err := s.Check(t.Context(), "secret of the settings"); err != nil || a.Name != "admin" || !a.May("tokens:write") {
		t.Error(a, err)
	}
	for _, wrong := range []string{"", "secret of the setting", "secret of the settingss", "fct_", "fct_x"} {
		if a, err := s.Check(t.Context(), wrong); !errors.Is(err, access.ErrToken) {
			t.Errorf("%q: %v %v", wrong, a, err)
		}
	}
	if a, err := open(t, db, "").Check(t.Context(), ""); !errors.Is(err, access.ErrToken) {
		t.Errorf("an empty token is somebody: %v %v", a, err)
	}
}

func TestClaim_IsWonByOneOfMany(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := open(t, db, "")
		var won, replayed atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				r := access.Reply{Actor: "admin", Key: "k", Call: "POST /x", BodyHash: "h"}
				err := db.Write(t.Context(), func(tx *database.Tx) error {
					kept, mine, err := s.Claim(t.Context(), tx, r)
					if err != nil {
						return err
					}
					if !mine {
						if kept.Answer == `{"id":"1"}` && kept.Status == 201 {
							replayed.Add(1)
						}
						return nil
					}
					won.Add(1)
					r.Status, r.Answer = 201, `{"id":"1"}`
					return s.Keep(t.Context(), tx, r)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || replayed.Load() != 19 {
			t.Errorf("%d won, %d were told", won.Load(), replayed.Load())
		}
	})
}

func TestClaim_TellsAReusedKeyFromABusyOne(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).Unix())
	db := databasetest.At(t, func() time.Time { return time.Unix(now.Load(), 0) })
	s := open(t, db, "")
	claim := func(r access.Reply) (mine bool, err error) {
		err = db.Write(t.Context(), func(tx *database.Tx) error {
			_, mine, err = s.Claim(t.Context(), tx, r)
			return err
		})
		return mine, err
	}
	first := access.Reply{Actor: "admin", Key: "k", Call: "POST /x", BodyHash: "h"}
	if mine, err := claim(first); !mine || err != nil {
		t.Fatal(mine, err)
	}
	if _, err := claim(first); !errors.Is(err, access.ErrKeyBusy) {
		t.Errorf("the same, unanswered: %v", err)
	}
	other := first
	other.Call = "POST /y"
	if _, err := claim(other); !errors.Is(err, access.ErrKeyReused) {
		t.Errorf("another call: %v", err)
	}
	other = first
	other.BodyHash = "i"
	if _, err := claim(other); !errors.Is(err, access.ErrKeyReused) {
		t.Errorf("another body: %v", err)
	}
	now.Add(3601)
	if mine, err := claim(first); !mine || err != nil {
		t.Errorf("its process must have died: %v %v", mine, err)
	}
	if err := s.LetGo(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if mine, err := claim(other); !mine || err != nil {
		t.Errorf("let go: %v %v", mine, err)
	}
}

func TestAnswers_AreSealedInTheTable(t *testing.T) {
	db := databasetest.New(t)
	s := open(t, db, "")
	r := access.Reply{Actor: "admin", Key: "k", Status: 201, Answer: "a secret"}
	err := db.Write(t.Context(), func(tx *database.Tx) error {
		if _, _, err := s.Claim(t.Context(), tx, r); err != nil {
			return err
		}
		return s.Keep(t.Context(), tx, r)
	})
	var stored string
	if err == nil {
		err = db.Get(t.Context(), &stored, `SELECT answer FROM replies`)
	}
	if err != nil || stored == "" || strings.Contains(stored, "secret") {
		t.Error(stored, err)
	}
}
