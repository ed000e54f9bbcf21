package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"
	"time"

	"facteur/web/client"
)

type statusCmd struct {
	server
	JSON bool `name:"json" help:"Print it as JSON."`
}

func (statusCmd) Help() string {
	return "Example:\n  facteur status\n\nThe token needs the scope status:read. The exit code is 1 when no server answers, or when it is not ready."
}

// apart is how long a rate is measured.
const apart = time.Second

// Run asks twice while something is being sent, so that it can say how fast.
func (s *statusCmd) Run(c *Config) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	api := s.client(c)
	now, err := api.Status(ctx)
	if err != nil {
		return explain(api, err)
	}
	for _, campaign := range now.Campaigns {
		if campaign.Status != "sending" {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(apart):
		}
		earlier := now
		if now, err = api.Status(ctx); err != nil {
			return explain(api, err)
		}
		now.Since(earlier)
		break
	}
	if s.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		err = e.Encode(now)
	} else {
		err = describe(os.Stdout, api.Base, now)
	}
	if err == nil && !now.Ready {
		err = fmt.Errorf("the server at %s is not ready: %s", api.Base, now.NotReady)
	}
	return err
}

// describe prints a status for people.
func describe(to io.Writer, base string, s client.Status) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) } // Flush tells
	ready := "ready"
	if !s.Ready {
		ready = "NOT READY: " + s.NotReady
	}
	say("facteur %s at %s, up %s, %s", s.Version, base, short(s.At.Sub(s.StartedAt)), ready)
	say("database: %s", s.Database)
	say("queue: %s; batches waiting %d, in work %d", s.Queue, s.Batches.Released, s.Batches.Taken)
	if !s.Clock.Steady {
		say("CLOCK: %s", s.Clock.Doubt)
	}
	if s.Stop.Stopped {
		say("STOPPED by %s since %s: %s. Nothing begins until the stop is lifted.", s.Stop.Actor, s.Stop.At.Format(time.RFC3339), when(s.Stop.Reason == "", "no reason given", s.Stop.Reason))
	}
	leader := false
	say("\nprocesses")
	for _, p := range s.Processes {
		leader = leader || p.Leads
		say("  %s pid %d\t%s\t%s\t%s\t%s", p.Host, p.PID, strings.Join(p.Roles, ","), p.Version, when(p.Alive, "alive", "SILENT"), when(p.Leads, "leads", ""))
	}
	if !leader {
		say("  NO SCHEDULER LEADS: nothing is planned or released")
	}
	say("\nrelays%s", when(len(s.Relays) == 0, ": none", ""))
	for _, r := range s.Relays {
		until := ""
		if r.RestUntil != nil {
			until = "until " + r.RestUntil.Format(time.RFC3339)
		}
		say("  %s\t%s %s\t%s", r.Name, when(r.State == "stopped", "STOPPED", r.State), until, r.StateReason)
	}
	say("\ncampaigns under way%s", when(len(s.Campaigns) == 0, ": none", ""))
	for _, c := range s.Campaigns {
		say("  %s\t%s\t%s", c.Name, c.ID, progress(c))
	}
	return w.Flush()
}

// progress is a campaign in a line.
func progress(c client.RunningCampaign) string {
	n := c.Counts
	words := []string{c.Status}
	if c.StatusReason != "" {
		words[0] += " (" + c.StatusReason + ")"
	}
	if c.Status == "scheduled" && c.StartsAt != nil {
		words = append(words, "starts "+c.StartsAt.Format(time.RFC3339))
	}
	words = append(words, fmt.Sprintf("%d of %d sent", n.Sent, n.Recipients))
	if !c.Planned && c.Status == "sending" {
		words = append(words, "still planning")
	}
	if c.Rate > 0 {
		words = append(words, fmt.Sprintf("%.0f/s", c.Rate))
	}
	if c.SecondsLeft != nil {
		words = append(words, short(time.Duration(*c.SecondsLeft*float64(time.Second)))+" left")
	}
	for _, state := range []struct {
		name string
		n    int64
	}{{"queued", n.Queued}, {"sending", n.Sending}, {"deferred", n.Deferred}, {"failed", n.Failed}, {"skipped", n.Skipped}, {"uncertain", n.Uncertain}} {
		if state.n > 0 {
			words = append(words, fmt.Sprintf("%s %d", state.name, state.n))
		}
	}
	return strings.Join(words, ", ")
}

// short is a duration in its two largest units.
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

func when(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}
