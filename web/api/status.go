package api

import (
	"context"
	"errors"
	"strings"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/sending"
)

// Self is what this process knows of itself.
type Self struct {
	StartedAt time.Time
	Database  string // for people, without a password
	Queue     string
	Ready     func(context.Context) error // nil: always
}

// Status is how things are.
type Status struct {
	Version   string           `json:"version"`
	StartedAt *time.Time       `json:"started_at"`
	At        time.Time        `json:"at" doc:"When this was read: two answers make a rate."`
	Ready     bool             `json:"ready" doc:"This process can do its part, as /readyz says."`
	NotReady  string           `json:"not_ready" doc:"Why not."`
	Database  string           `json:"database"`
	Queue     string           `json:"queue"`
	Processes []ProcessStatus  `json:"processes"`
	Clock     ClockStatus      `json:"clock"`
	Stop      Stop             `json:"stop"`
	Batches   BatchStatus      `json:"batches"`
	Relays    []RelayStatus    `json:"relays"`
	Campaigns []CampaignStatus `json:"campaigns" doc:"Those that are sending, paused, scheduled or blocked."`
}

// ProcessStatus is one of the processes that share the database.
type ProcessStatus struct {
	ID        ID         `json:"id"`
	Host      string     `json:"host"`
	PID       int64      `json:"pid"`
	Roles     []string   `json:"roles"`
	Version   string     `json:"version"`
	StartedAt *time.Time `json:"started_at"`
	Alive     bool       `json:"alive" doc:"It renews its lease. One that does not is written off within seconds."`
	Leads     bool       `json:"leads" doc:"Its scheduler leads."`
}

// ClockStatus is whether the clock may be trusted.
type ClockStatus struct {
	Steady bool   `json:"steady" doc:"While it is not, nothing is deleted, expired or given up."`
	Doubt  string `json:"doubt" doc:"What is wrong with it, and what to do."`
}

// BatchStatus is how many batches there are.
type BatchStatus struct {
	Released int64 `json:"released" doc:"They wait for a worker."`
	Taken    int64 `json:"taken"`
}

// RelayStatus is how a relay is doing.
type RelayStatus struct {
	ID          ID         `json:"id"`
	Name        string     `json:"name"`
	State       string     `json:"state" enum:"ok,resting,stopped"`
	StateReason string     `json:"state_reason"`
	RestUntil   *time.Time `json:"rest_until"`
}

// CampaignStatus is a campaign that is not over.
type CampaignStatus struct {
	ID           ID              `json:"id"`
	Name         string          `json:"name"`
	Status       string          `json:"status"`
	StatusReason string          `json:"status_reason"`
	Planned      bool            `json:"planned"`
	StartsAt     *time.Time      `json:"starts_at"`
	Counts       campaign.Counts `json:"counts"`
}

func (c *calls) status(ctx context.Context, _ *struct{}) (Status, error) {
	out := Status{Version: c.Version, StartedAt: at(database.Millis(c.Self.StartedAt)), At: c.DB.Now().UTC(), Ready: true, Database: c.Self.Database, Queue: c.Self.Queue}
	out.Clock = c.clockStatus()
	if c.Self.Ready != nil {
		if err := c.Self.Ready(ctx); err != nil {
			out.Ready, out.NotReady = false, err.Error()
		}
	}
	for _, part := range []func(context.Context, *Status) error{c.statusOfProcesses, c.statusOfRelays, c.statusOfCampaigns} {
		if err := part(ctx, &out); err != nil {
			return Status{}, err
		}
	}
	return out, nil
}

func (c *calls) clockStatus() ClockStatus {
	if err := c.Clock.Steady(); err != nil {
		return ClockStatus{Doubt: err.Error()}
	}
	return ClockStatus{Steady: true}
}

// confirmClock takes a person's word that the clock is right.
func (c *calls) confirmClock(ctx context.Context, tx *database.Tx, in *struct{ Body Because }) (ClockStatus, error) {
	if err := c.Clock.Confirm(ctx, tx); err != nil {
		return ClockStatus{}, err
	}
	err := journal.Write(ctx, tx, "confirm", "clock", 0, map[string]any{"reason": in.Body.Reason, "was": c.clockStatus().Doubt})
	return ClockStatus{Steady: true}, err
}

// lookAtClock takes in at once what was confirmed; else it would be seconds.
func (c *calls) lookAtClock() {
	if err := c.Clock.Look(context.Background()); err != nil {
		c.Log.Warn("look at the clock", "error", err)
	}
}

func (c *calls) statusOfProcesses(ctx context.Context, out *Status) error {
	present, err := c.Campaigns.Presence(ctx)
	if err != nil {
		return err
	}
	out.Processes = make([]ProcessStatus, len(present))
	for i, p := range present {
		out.Processes[i] = ProcessStatus{
			ID: idOf(p.Session), Host: p.Host, PID: p.PID, Roles: strings.FieldsFunc(p.Roles, func(r rune) bool { return r == ',' }),
			Version: p.Version, StartedAt: at(p.StartedAt), Alive: p.Alive, Leads: p.Leads,
		}
	}
	stop, err := c.Campaigns.Stopped(ctx)
	if err == nil {
		out.Stop = stopOf(stop)
	} else if !errors.Is(err, database.ErrNotFound) {
		return err
	}
	return nil
}

func (c *calls) statusOfRelays(ctx context.Context, out *Status) error {
	relays, err := c.Sending.Relays(ctx)
	if err != nil {
		return err
	}
	out.Relays = make([]RelayStatus, len(relays))
	for i, r := range relays {
		out.Relays[i] = RelayStatus{ID: idOf(r.ID), Name: r.Name, State: string(r.State), StateReason: r.Reason}
		if r.State == sending.Resting {
			out.Relays[i].RestUntil = at(r.Until)
		}
	}
	return nil
}

func (c *calls) statusOfCampaigns(ctx context.Context, out *Status) error {
	now, err := c.Campaigns.UnderWay(ctx)
	if err != nil {
		return err
	}
	out.Batches = BatchStatus{now.Released, now.Taken}
	running, err := c.Campaigns.Running(ctx)
	if err != nil {
		return err
	}
	out.Campaigns = make([]CampaignStatus, len(running))
	for i, r := range running {
		counts, err := c.Campaigns.Counts(ctx, r.ID)
		if err != nil {
			return err
		}
		out.Campaigns[i] = CampaignStatus{ID: idOf(r.ID), Name: r.Name, Status: string(r.Status), StatusReason: r.StatusReason, Planned: r.Planned, StartsAt: at(r.StartsAt), Counts: counts}
	}
	return nil
}
