package campaign

import "context"

// TickOnce leads and does one round, without the chores.
func (s *Scheduler) TickOnce(ctx context.Context) error {
	if !s.lead(ctx) {
		return nil
	}
	_, err := s.Tick(ctx, false)
	return err
}
