package campaign

import (
	"context"
	"fmt"

	"facteur/throttle"
)

// Bounds of a sudden jump: so many times the busiest of the last days, and so
// many mails more.
const (
	jumpTimes = 5
	jumpMore  = 1000
	jumpDays  = 30
)

// jump is the finding that a campaign is much more than its domain has sent on
// any of the last 30 days; nil when it is not. What a warm-up lets through in
// a day is no jump.
func (s *Store) jump(ctx context.Context, domain string, c Campaign, recipients int64) (*Finding, error) {
	d, err := s.senders.DomainByName(ctx, domain)
	if err != nil {
		return nil, err
	}
	ramp, err := RampOf(d)
	if err != nil || !ramp.None() {
		return nil, err // it is spread by itself
	}
	day, most, err := s.pace.Busiest(ctx, domain, jumpDays, c.ID)
	if err != nil {
		return nil, err
	}
	return suddenJump(domain, recipients, day, most), nil
}

func suddenJump(domain string, recipients, day, most int64) *Finding {
	if recipients <= jumpTimes*most || recipients < most+jumpMore {
		return nil
	}
	before := fmt.Sprintf("the most that %s sent on one of the last %d days is %d, on %s", domain, jumpDays, most, throttle.DayTime(day).Format("2 January"))
	if most == 0 {
		before = fmt.Sprintf("%s has sent nothing in the last %d days", domain, jumpDays)
	}
	return &Finding{
		Code:     "sudden_jump",
		Severity: Warning,
		Message:  fmt.Sprintf("%d mails at once, while %s: a sudden jump triggers filters", recipients, before),
		Fix:      fmt.Sprintf("Tell your host or relay's provider before you send. Spread it: PUT /throttles/domain:%s with a per_day of about %d, and raise it day by day; or let it warm up: PUT /warmups/%s with conservative or a ramp of your own.", domain, max(50, 2*most), domain),
	}
}
