package subscribers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"facteur/internal/database"
)

// ErrSignupLimit is a sign-up beyond a limit that has nothing to do with the
// address: come later.
var ErrSignupLimit = errors.New("too many sign-ups for now: try again later")

// errAddressLimited is a sign-up whose address was asked often enough. Nobody
// outside must be able to tell.
var errAddressLimited = errors.New("this address was asked often enough for now")

// SignupLimit allows N confirmation mails in any span of Per.
type SignupLimit struct {
	N   int64
	Per time.Duration
}

// SignupLimits guard against list bombing: forms misused to flood somebody's
// mailbox, or to have us flood a provider.
type SignupLimits struct {
	Address, Network, Form, Domain SignupLimit
}

// ParseSignupLimits reads "address=3/24h,network=20/1h,form=500/1h,domain=100/1h".
// What is not named has no limit.
func ParseSignupLimits(text string) (SignupLimits, error) {
	var l SignupLimits
	for part := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		scope, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		to := map[string]*SignupLimit{"address": &l.Address, "network": &l.Network, "form": &l.Form, "domain": &l.Domain}[scope]
		if to == nil {
			return l, fmt.Errorf("%q: want address, network, form or domain", scope)
		}
		n, per, _ := strings.Cut(value, "/")
		var err error
		if to.N, err = strconv.ParseInt(n, 10, 64); err != nil || to.N < 1 {
			return l, fmt.Errorf("%q: want a number and a time, such as 3/24h", part)
		}
		if to.Per, err = time.ParseDuration(per); err != nil || to.Per < time.Minute || to.Per > 31*24*time.Hour {
			return l, fmt.Errorf("%q: want a time from 1m to 744h, such as 24h", part)
		}
	}
	return l, nil
}

// parts is into how many pieces a window is cut. The sum over one piece more
// than the window never lets more pass than the limit, in any span.
const parts = 6

// allow counts one confirmation mail against the limits, in the order that all
// transactions keep. The address comes last: its limit is a secret.
func (s *Store) allow(ctx context.Context, tx *database.Tx, l SignupLimits, listID int64, ip, key string) error {
	domain := key[strings.LastIndexByte(key, '@')+1:]
	for _, c := range []struct {
		limit SignupLimit
		scope string
		err   error
	}{
		{l.Form, fmt.Sprintf("form:%d", listID), ErrSignupLimit},
		{l.Network, "network:" + network(ip), ErrSignupLimit},
		{l.Domain, "domain:" + domain, ErrSignupLimit},
		{l.Address, "address:" + key, errAddressLimited},
	} {
		if c.limit.N == 0 || c.scope == "network:" {
			continue
		}
		n, err := s.countSignup(ctx, tx, c.scope, c.limit.Per)
		if err != nil {
			return err
		}
		if n > c.limit.N {
			return c.err
		}
	}
	return nil
}

// countSignup adds one to a scope and returns the sum over its window. The row
// is written first: whoever counts the same scope waits for this transaction.
func (s *Store) countSignup(ctx context.Context, tx *database.Tx, scope string, per time.Duration) (int64, error) {
	piece := per.Milliseconds() / parts
	bucket := s.db.Now().UnixMilli() / piece * piece
	_, err := tx.Exec(ctx, `INSERT INTO signup_counts (scope, bucket, n) VALUES (?, ?, 1) ON CONFLICT (scope, bucket) DO UPDATE SET n = signup_counts.n + 1`, scope, bucket)
	if err != nil {
		return 0, fmt.Errorf("count a sign-up: %w", err)
	}
	var n int64
	err = tx.Get(ctx, &n, `SELECT SUM(n) FROM signup_counts WHERE scope = ? AND bucket >= ? AND bucket <= ?`, scope, bucket-parts*piece, bucket+piece)
	return n, err
}

// network is what one attacker has many addresses of: an IPv4 /24, an IPv6 /48.
func network(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	bits := 24
	if a = a.Unmap(); a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

// PruneSignups forgets counts that no window reaches any more.
func (s *Store) PruneSignups(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `DELETE FROM signup_counts WHERE bucket < ?`, s.db.Now().Add(-32*24*time.Hour).UnixMilli())
	return err
}
