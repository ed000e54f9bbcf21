package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Counts are the books of a campaign.
type Counts struct {
	Recipients int64 `json:"recipients"`
	Queued     int64 `json:"queued"`
	Sending    int64 `json:"sending"`
	Sent       int64 `json:"sent"`
	Deferred   int64 `json:"deferred"`
	Failed     int64 `json:"failed"`
	Skipped    int64 `json:"skipped"`
	Uncertain  int64 `json:"uncertain"`
	Doubted    int64 `json:"doubted"` // beside the sum
}

// Balanced tells whether the seven states add up to the recipients.
func (n Counts) Balanced() bool {
	return n.Recipients == n.Queued+n.Sending+n.Sent+n.Deferred+n.Failed+n.Skipped+n.Uncertain
}

// Campaign is a campaign's state and books; Rate, in messages a second, is
// known of events only.
type Campaign struct {
	ID           string  `json:"id"`
	Name         string  `json:"name"`
	Status       string  `json:"status"`
	StatusReason string  `json:"status_reason"`
	Planned      bool    `json:"planned"`
	Counts       Counts  `json:"counts"`
	Rate         float64 `json:"rate"`
}

// Campaign reads a campaign.
func (c *Client) Campaign(ctx context.Context, id string) (found Campaign, err error) {
	err = c.Call(ctx, http.MethodGet, "/campaigns/"+id, nil, &found)
	return found, err
}

// Follow calls each with every event of a campaign until its last one, until
// each returns an error, or until the server hangs up.
func (c *Client) Follow(ctx context.Context, id string, each func(Campaign) error) error {
	res, err := c.send(ctx, http.MethodGet, "/campaigns/"+id+"/events", "", nil)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var now Campaign
		if err := json.Unmarshal([]byte(data), &now); err != nil {
			return fmt.Errorf("event of campaign %s: %w", id, err)
		}
		if err := each(now); err != nil {
			return err
		}
	}
	return lines.Err()
}
