package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// Client speaks to one facteur with one token. It is safe for concurrent use.
type Client struct {
	Base  string // http://host:port, without a slash at its end
	Token string // the bearer; empty: none is sent
}

// Problem is an answer that says no (RFC 9457). The call was understood to
// have had no effect, unless Status is 500 or more.
type Problem struct {
	Method, Path string

	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Field  string `json:"field"`
}

func (p *Problem) Error() string {
	if p.Code == "" {
		return fmt.Sprintf("%s %s: answer %d: %s", p.Method, p.Path, p.Status, p.Detail)
	}
	return fmt.Sprintf("%s %s: %s (%s)", p.Method, p.Path, p.Detail, p.Code)
}

// Call sends body as JSON, if not nil, and decodes the answer into out, if not
// nil. path begins behind /api/v1. An answer of 300 or more is a [*Problem].
func (c *Client) Call(ctx context.Context, method, path string, body, out any) error {
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(b)
	}
	return c.Upload(ctx, method, path, "application/json", text, out)
}

// Upload is Call with a body that is sent as it is read.
func (c *Client) Upload(ctx context.Context, method, path, contentType string, body io.Reader, out any) error {
	res, err := c.send(ctx, method, path, contentType, body)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if out == nil {
		_, err = io.Copy(io.Discard, res.Body)
	} else if err = json.NewDecoder(res.Body).Decode(out); err == io.EOF {
		err = nil // an answer without a body
	}
	if err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return nil
}

// send returns the answer if it is a success.
func (c *Client) send(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.Base+"/api/v1"+path, body)
	if err != nil {
		return nil, err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < http.StatusMultipleChoices {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err != nil {
		return nil, err
	}
	p := &Problem{}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind != "application/problem+json" || json.Unmarshal(text, p) != nil {
		*p = Problem{Detail: string(text)}
	}
	p.Method, p.Path, p.Status = method, path, res.StatusCode
	return nil, p
}
