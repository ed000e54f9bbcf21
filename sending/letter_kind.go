package sending

// The kinds of letters.
const (
	AccessLetter       = "access"       // a fresh link to one's preferences
	ConfirmationLetter = "confirmation" // asks who has filled in a form for the yes of a double opt-in
	AlreadyLetter      = "already"      // says that there is nothing to confirm
	AlarmLetter        = "alarm"        // tells the operators
	TestLetter         = "test"         // a campaign's test send
	SeedLetter         = "seed"         // a copy of a campaign to an address of our own
	ProbeLetter        = "probe"        // to ourselves, to see whether mail comes home
	InvitationLetter   = "invitation"   // asks for a yes of which we thought: after an import, or again
)

// The ranks of letters, in the order in which they go. No rank waits for
// another's letters: each has a page of its own in [Store.DueLetters].
const (
	answerRank = iota // somebody waits before a screen
	alarmRank
	testRank
	invitationRank
	ranks
)

// rankOf is where a kind stands in the order.
func rankOf(kind string) int {
	switch kind {
	case AccessLetter, ConfirmationLetter, AlreadyLetter:
		return answerRank
	case AlarmLetter:
		return alarmRank
	case InvitationLetter:
		return invitationRank
	}
	return testRank
}

// Urgent tells whether the letter goes ahead of campaigns. An invitation does
// not: nobody waits for it, and there may be as many as people in an import.
func (l Letter) Urgent() bool { return l.Kind != InvitationLetter }

// Asks tells whether the letter asks for the yes of a list.
func (l Letter) Asks() bool {
	return l.ListID != 0 && (l.Kind == ConfirmationLetter || l.Kind == InvitationLetter)
}
