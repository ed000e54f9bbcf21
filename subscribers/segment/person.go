package segment

// Person is what a condition may ask about. Times are Unix milliseconds, 0 for
// never.
type Person struct {
	Email         string
	Name          string
	Locale        string
	Timezone      string
	Domain        string // of the address, an A-label
	Attributes    string // a JSON object
	CreatedAt     int64
	Subscriptions []Subscription // only where the condition needs them
	Sent          Sent           // only where the condition needs it
}

// Subscription is where the person stands with a list.
type Subscription struct {
	ListID      int64
	Status      string // pending, confirmed, unsubscribed
	ConfirmedAt int64  // Unix milliseconds, 0 for never
}

// Sent is what campaigns sent to the person. Times are Unix milliseconds, 0 for
// never.
type Sent struct {
	Count     int64 // mails
	FirstAt   int64
	LastAt    int64
	Campaigns []int64 // of those that the condition names
}

// Needs says which parts of a [Person] a condition asks for. Each id stands
// there once.
type Needs struct {
	Attributes    bool
	Subscriptions bool
	Sent          bool    // count and times
	Campaigns     []int64 // those that Sent.Campaigns must tell of
	Lists         []int64 // those that are named
}
