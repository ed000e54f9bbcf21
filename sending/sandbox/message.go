package sandbox

import (
	"bytes"
	"sync"
)

// Message is a whole accepted message, kept for inspection.
type Message struct {
	Number    int64    `json:"number"` // as in the reply "queued as 17"; counts from 1 since the start or Reset
	At        int64    `json:"at"`     // Unix ms
	From      string   `json:"from"`   // empty for the null sender
	To        []string `json:"to"`
	MessageID string   `json:"message_id"`
	TLS       bool     `json:"tls"`
	User      string   `json:"user,omitempty"` // who logged in
	Size      int      `json:"size"`
	Raw       []byte   `json:"-"` // header and body, dots unstuffed
}

// shelf keeps the latest messages.
type shelf struct {
	mu       sync.Mutex
	limit    int // negative: all
	messages []*Message
	next     int // the oldest, once the shelf is full
}

func (k *shelf) put(m *Message) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.limit < 0 || len(k.messages) < k.limit {
		k.messages = append(k.messages, m)
		return
	}
	k.messages[k.next] = m
	k.next = (k.next + 1) % k.limit
}

func (k *shelf) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.messages, k.next = nil, 0
}

// Messages returns what Options.Keep has kept, oldest first.
func (s *Server) Messages() []Message {
	k := &s.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	list := make([]Message, 0, len(k.messages))
	for i := range k.messages {
		list = append(list, *k.messages[(k.next+i)%len(k.messages)])
	}
	return list
}

// Message returns a kept message by its number; false if it was not kept or has made room for a later one.
func (s *Server) Message(number int64) (Message, bool) {
	k := &s.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range k.messages {
		if m.Number == number {
			return *m, true
		}
	}
	return Message{}, false
}

// messageID finds the Message-ID in a message's header: what stands in its angle brackets, or else its first word.
func messageID(message []byte) []byte {
	const field = "Message-ID:"
	for len(message) > 0 {
		end := bytes.IndexByte(message, '\n')
		if end < 0 {
			end = len(message) - 1
		}
		line, rest := message[:end+1], message[end+1:]
		if line[0] == '\r' || line[0] == '\n' {
			return nil // the end of the header
		}
		if line[0]|0x20 == 'm' && len(line) > len(field) && bytes.EqualFold(line[:len(field)], []byte(field)) {
			// The value may stand on the folded lines that follow.
			for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
				more := bytes.IndexByte(rest, '\n') + 1
				if more == 0 {
					more = len(rest)
				}
				line, rest = message[:len(line)+more], rest[more:]
			}
			return identifier(line[len(field):])
		}
		message = rest
	}
	return nil
}

func identifier(value []byte) []byte {
	if open := bytes.IndexByte(value, '<'); open >= 0 {
		value = value[open+1:]
		if end := bytes.IndexByte(value, '>'); end >= 0 {
			value = value[:end]
		}
	}
	for len(value) > 0 && value[0] <= ' ' {
		value = value[1:]
	}
	for i, c := range value {
		if c <= ' ' || c == 0x7f {
			return value[:i]
		}
	}
	return value
}
