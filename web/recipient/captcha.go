package recipient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Captcha is a check that a form was filled in by a person, by a service that
// speaks as hCaptcha, Turnstile and reCAPTCHA do. The zero value checks nothing.
type Captcha struct {
	VerifyURL string        // gets secret, response and remoteip; answers {"success": true}
	Secret    string        // of the operator's account there
	Widget    template.HTML // what the form needs, given by the operator
}

// captchaPolicy lets the operator's widget in.
const captchaPolicy = "default-src 'none'; style-src 'unsafe-inline' https:; script-src https:; frame-src https:; connect-src https:; img-src https: data:; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors *"

const captchaTimeout = 5 * time.Second

// Check asks the service about a form. An error means that it is refused, or
// that the service could not be asked.
func (c Captcha) Check(ctx context.Context, form url.Values, remote string) error {
	if c.VerifyURL == "" {
		return nil
	}
	response := ""
	for name, values := range form { // h-captcha-response, cf-turnstile-response, g-recaptcha-response
		if strings.HasSuffix(name, "captcha-response") || strings.HasSuffix(name, "turnstile-response") {
			response = values[0]
		}
	}
	if response == "" {
		return errors.New("the form has no answer to it")
	}
	ctx, cancel := context.WithTimeout(ctx, captchaTimeout)
	defer cancel()
	body := url.Values{"secret": {c.Secret}, "response": {response}, "remoteip": {remote}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.VerifyURL, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the captcha's service: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	var verdict struct {
		Success bool `json:"success"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&verdict); err != nil {
		return fmt.Errorf("ask the captcha's service: status %d: %w", res.StatusCode, err)
	}
	if !verdict.Success {
		return errors.New("it did not succeed")
	}
	return nil
}
