package client

import (
	"context"
	"net/http"
)

// Import is a file of people on its way to a list.
type Import struct {
	DryRun   bool   `json:"dry_run"`
	ID       string `json:"id"`
	Status   string `json:"status"` // running, done, failed
	Error    string `json:"error"`
	Rows     int64  `json:"rows"`
	Created  int64  `json:"created"`
	Updated  int64  `json:"updated"`
	Refused  int64  `json:"refused"`
	Problems []struct {
		Line   int    `json:"line"`
		Column string `json:"column"`
		Reason string `json:"reason"`
		Detail string `json:"detail"`
	} `json:"problems"` // the first refused rows
}

// Import reads how far an import has come.
func (c *Client) Import(ctx context.Context, id string) (found Import, err error) {
	err = c.Call(ctx, http.MethodGet, "/imports/"+id, nil, &found)
	return found, err
}
