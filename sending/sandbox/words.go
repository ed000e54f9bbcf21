package sandbox

import (
	"bytes"
	"fmt"
	"io"
)

// Stage is the point of the dialogue at which a Word strikes.
type Stage string

// The points at which a provider says what it thinks.
const (
	AtMail Stage = "MAIL"
	AtRcpt Stage = "RCPT"
	AtData Stage = "DATA"
	AtDot  Stage = "final dot"
)

// Word is one misbehaviour: what the sandbox plays when a recipient's local part begins with it, or a Rule names it.
type Word struct {
	Name  string `json:"name"`
	Stage Stage  `json:"stage"`
	// Reply is the whole reply line without CRLF; empty together with Closes means the connection ends without
	// an answer, empty alone means the ordinary reply.
	Reply string `json:"reply,omitempty"`
	// Closes ends the connection, after the reply if there is one.
	Closes bool `json:"closes,omitempty"`
	// Accepts counts the message as delivered in spite of what the client is told.
	Accepts bool `json:"accepts,omitempty"`
	// Once strikes only at the first attempt for a recipient.
	Once bool `json:"once,omitempty"`
	// Greylists strikes for Options.GreylistFor, counted for each pair of sender domain and recipient; as Once if that is zero.
	Greylists bool `json:"greylists,omitempty"`
	// Waits holds the answer back for Options.SlowFor.
	Waits bool `json:"waits,omitempty"`
	// ByRule marks what only a Rule may ask for: it is no word in an address.
	ByRule bool `json:"by_rule,omitempty"`
	// Plays says in a sentence which situation this is.
	Plays string `json:"plays"`
}

// Words is the table of all misbehaviours, in the order of the dialogue.
func Words() []Word {
	return []Word{
		{Name: "unknown", Stage: AtRcpt, Reply: "550 5.1.1 no such user here", Plays: "the mailbox does not exist"},
		{Name: "full", Stage: AtRcpt, Reply: "552 5.2.2 mailbox full", Plays: "the mailbox is full, said as a permanent failure"},
		{Name: "tempfull", Stage: AtRcpt, Reply: "452 4.2.2 mailbox full, try again later", Plays: "the mailbox is full, said as a temporary failure"},
		{Name: "greylist", Stage: AtRcpt, Reply: "451 4.7.1 greylisted, try again later", Greylists: true, Plays: "greylisting: the first attempt is put off, a later one is taken"},
		{Name: "busy", Stage: AtRcpt, Reply: "421 4.3.2 service shutting down, try again later", Closes: true, Once: true, Plays: "the server goes away in the middle of an envelope, once for each recipient"},
		{Name: "policy", Stage: AtRcpt, Reply: "554 5.7.1 recipient refused by policy", Plays: "a policy of the recipient's house refuses us"},
		{Name: "rate", Stage: AtDot, Reply: "421 4.7.28 unusual rate of mail from your network, slow down", Closes: true, Plays: "we are sending too fast for this provider"},
		{Name: "blocked", Stage: AtDot, Reply: "550 5.7.1 message blocked because of your network's reputation", Plays: "our reputation is bad: about us, not about the person"},
		{Name: "toolarge", Stage: AtDot, Reply: "552 5.3.4 message too large", Plays: "the message is larger than this provider takes"},
		{Name: "content", Stage: AtDot, Reply: "554 5.6.0 message content refused", Plays: "the content is refused"},
		{Name: "slow", Stage: AtDot, Accepts: true, Waits: true, Plays: "takes the message and answers late"},
		{Name: "drop-after-body", Stage: AtDot, Closes: true, Plays: "the connection dies after the final dot and the message is lost"},
		{Name: "drop-before-answer", Stage: AtDot, Closes: true, Accepts: true, Once: true, Plays: "takes the message, the answer is lost; the next one for this recipient is answered"},
		{Name: "swallow", Stage: AtDot, Closes: true, Accepts: true, Plays: "takes the message, the answer is lost, every time"},
		{Name: "sender-blocked", Stage: AtMail, Reply: "550 5.7.1 your server is on our block list", ByRule: true, Plays: "all mail from us is refused for good"},
		{Name: "sender-busy", Stage: AtMail, Reply: "421 4.7.0 too much mail from your server, try again later", Closes: true, ByRule: true, Plays: "all mail from us is put off and the connection closed"},
		{Name: "hang-up", Stage: AtData, Closes: true, ByRule: true, Plays: "the connection dies where the message was asked for"},
		{Name: "bare", Stage: AtRcpt, Reply: "554 transaction failed", ByRule: true, Plays: "a permanent refusal that gives no enhanced code and no reason"},
		{Name: "accept", Stage: AtDot, Accepts: true, ByRule: true, Plays: "takes the message; spares recipients from the rules that follow"},
	}
}

// WriteWords prints the table as Markdown, for the documentation and the demo.
func WriteWords(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString("| word | at | answer | plays |\n| --- | --- | --- | --- |\n")
	for _, word := range Words() {
		name := "`" + word.Name + "@`"
		if word.ByRule {
			name = "`" + word.Name + "` (rules only)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, word.Stage, word.answer(), word.Plays)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// answer says in words what the client gets to see.
func (w Word) answer() string {
	switch {
	case w.Reply != "" && w.Closes:
		return w.Reply + ", then closes"
	case w.Reply != "":
		return w.Reply
	case w.Closes:
		return "none, closes"
	}
	return "250"
}

// play is a Word made ready for the dialogue.
type play struct {
	Word
	code string // "550 5.1.1", or "554" where the reply has no enhanced code
}

func newPlay(w Word) *play {
	return &play{Word: w, code: replyCode(w.Reply)}
}

// replyCode cuts the basic and, if there is one, the enhanced code off a reply.
func replyCode(reply string) string {
	if len(reply) < 3 {
		return ""
	}
	// An enhanced code begins with the class of the basic one and a dot (RFC 2034 section 4).
	if len(reply) > 6 && reply[4] == reply[0] && reply[5] == '.' {
		for i := 6; i < len(reply); i++ {
			if reply[i] == ' ' {
				return reply[:i]
			}
		}
	}
	return reply[:3]
}

// begins says whether a local part is this word: alone, or followed by '+', '.', '-' or a digit.
func (p *play) begins(local []byte) bool {
	n := len(p.Name)
	if len(local) < n || local[0]|0x20 != p.Name[0] {
		return false
	}
	for i := 1; i < n; i++ {
		c := local[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != p.Name[i] {
			return false
		}
	}
	if len(local) == n {
		return true
	}
	c := local[n]
	return c == '+' || c == '.' || c == '-' || '0' <= c && c <= '9'
}
