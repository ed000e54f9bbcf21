package client

import (
	"context"
	"net/http"
	"time"
)

// Status is how things are, as GET /status tells it.
type Status struct {
	Version   string            `json:"version"`
	StartedAt time.Time         `json:"started_at"`
	At        time.Time         `json:"at"`
	Ready     bool              `json:"ready"`
	NotReady  string            `json:"not_ready"`
	Database  string            `json:"database"`
	Queue     string            `json:"queue"`
	Processes []ProcessStatus   `json:"processes"`
	Clock     ClockStatus       `json:"clock"`
	Stop      StopStatus        `json:"stop"`
	Batches   BatchStatus       `json:"batches"`
	Relays    []RelayStatus     `json:"relays"`
	Campaigns []RunningCampaign `json:"campaigns"`
}

// ProcessStatus is one of the processes that share a database.
type ProcessStatus struct {
	ID        string    `json:"id"`
	Host      string    `json:"host"`
	PID       int64     `json:"pid"`
	Roles     []string  `json:"roles"`
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	Alive     bool      `json:"alive"`
	Leads     bool      `json:"leads"`
}

// ClockStatus is whether the clock may be trusted.
type ClockStatus struct {
	Steady bool   `json:"steady"`
	Doubt  string `json:"doubt"`
}

// StopStatus is the red button.
type StopStatus struct {
	Stopped bool       `json:"stopped"`
	Reason  string     `json:"reason"`
	Actor   string     `json:"actor"`
	At      *time.Time `json:"at"`
}

// BatchStatus is how many batches wait for a worker or are in work.
type BatchStatus struct {
	Released int64 `json:"released"`
	Taken    int64 `json:"taken"`
}

// RelayStatus is how a relay is doing.
type RelayStatus struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	State       string     `json:"state"`
	StateReason string     `json:"state_reason"`
	RestUntil   *time.Time `json:"rest_until"`
}

// RunningCampaign is one that is sending, paused, scheduled or blocked. Rate,
// in messages a second, and SecondsLeft are known after [Status.Since].
type RunningCampaign struct {
	Campaign
	StartsAt    *time.Time `json:"starts_at"`
	SecondsLeft *float64   `json:"seconds_left"`
}

// Status asks how things are.
func (c *Client) Status(ctx context.Context) (now Status, err error) {
	err = c.Call(ctx, http.MethodGet, "/status", nil, &now)
	return now, err
}

// Since fills in how fast the campaigns have been since an earlier answer.
func (s *Status) Since(earlier Status) {
	before := map[string]Counts{}
	for _, c := range earlier.Campaigns {
		before[c.ID] = c.Counts
	}
	took := s.At.Sub(earlier.At).Seconds()
	for i := range s.Campaigns {
		c := &s.Campaigns[i]
		then, known := before[c.ID]
		if !known || took <= 0 || c.Counts.Sent <= then.Sent {
			continue
		}
		c.Rate = float64(c.Counts.Sent-then.Sent) / took
		if c.Planned {
			left := float64(c.Counts.Queued+c.Counts.Sending+c.Counts.Deferred) / c.Rate
			c.SecondsLeft = &left
		}
	}
}
