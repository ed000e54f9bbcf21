package provider

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// sns reads what Amazon's Simple Notification Service sends
// (https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html).
type sns struct {
	client *http.Client

	mu    sync.Mutex
	certs map[string]*rsa.PublicKey // by address
}

type snsMessage struct {
	Type             string `json:"Type"`
	MessageID        string `json:"MessageId"`
	Token            string `json:"Token"`
	TopicArn         string `json:"TopicArn"`
	Subject          string `json:"Subject"`
	Message          string `json:"Message"`
	SubscribeURL     string `json:"SubscribeURL"`
	Timestamp        string `json:"Timestamp"`
	Signature        string `json:"Signature"`
	SignatureVersion string `json:"SignatureVersion"`
	SigningCertURL   string `json:"SigningCertURL"`
}

// read checks a message of the topic and returns what it says; a subscription
// is confirmed.
func (s *sns) read(ctx context.Context, topic string, body []byte) ([]Notice, error) {
	var m snsMessage
	if err := decode(body, &m); err != nil {
		return nil, err
	}
	if m.TopicArn != topic {
		return nil, fmt.Errorf("%w: the topic is %.200q", ErrSignature, m.TopicArn)
	}
	if err := s.verify(ctx, m); err != nil {
		return nil, err
	}
	switch m.Type {
	case "SubscriptionConfirmation":
		_, err := s.fetch(ctx, m.SubscribeURL)
		return nil, err
	case "Notification":
		return sesEvent(m.MessageID, []byte(m.Message))
	}
	return nil, nil // UnsubscribeConfirmation
}

// signed is the text that the signature covers.
func (m snsMessage) signed() string {
	fields := []string{"Message", m.Message, "MessageId", m.MessageID}
	if m.Type == "Notification" {
		if m.Subject != "" {
			fields = append(fields, "Subject", m.Subject)
		}
	} else {
		fields = append(fields, "SubscribeURL", m.SubscribeURL)
	}
	fields = append(fields, "Timestamp", m.Timestamp)
	if m.Type != "Notification" {
		fields = append(fields, "Token", m.Token)
	}
	return strings.Join(append(fields, "TopicArn", m.TopicArn, "Type", m.Type), "\n") + "\n"
}

func (s *sns) verify(ctx context.Context, m snsMessage) error {
	signature, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil {
		return ErrSignature
	}
	key, err := s.key(ctx, m.SigningCertURL)
	if err != nil {
		return err
	}
	switch m.SignatureVersion {
	case "1":
		sum := sha1.Sum([]byte(m.signed()))
		err = rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature)
	case "2":
		sum := sha256.Sum256([]byte(m.signed()))
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
	default:
		return fmt.Errorf("%w: version %.20q", ErrSignature, m.SignatureVersion)
	}
	if err != nil {
		return ErrSignature
	}
	return nil
}

// key is the public key of a certificate at Amazon's, kept once it was fetched.
func (s *sns) key(ctx context.Context, address string) (*rsa.PublicKey, error) {
	s.mu.Lock()
	key := s.certs[address]
	s.mu.Unlock()
	if key != nil {
		return key, nil
	}
	text, err := s.fetch(ctx, address)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%w: no certificate at %s", ErrSignature, address)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < 2048 {
		return nil, fmt.Errorf("%w: not an RSA key of 2048 bits", ErrSignature)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.certs == nil || len(s.certs) > 20 {
		s.certs = map[string]*rsa.PublicKey{}
	}
	s.certs[address] = key
	return key, nil
}

// amazon are the hosts of SNS; nothing else is ever asked.
var amazon = regexp.MustCompile(`^sns\.[a-z0-9-]{3,30}\.amazonaws\.com(\.cn)?$`)

func (s *sns) fetch(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || !amazon.MatchString(u.Host) || u.User != nil {
		return nil, fmt.Errorf("%w: %.200q is not at Amazon's SNS", ErrSignature, address)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask Amazon's SNS: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask Amazon's SNS: %s answered %s", u.Host, res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, 64<<10))
}
