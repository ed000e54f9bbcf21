package throttle

// Invitations stands where a campaign's id does for mails that ask people of
// an import, or of a re-confirmation, for their yes. There may be as many as
// people on a list and nobody waits for them: they take only a share of what
// is counted by the hour, the day or a warm-up, and leave the rest to campaigns
// and to letters that somebody has asked for.
const Invitations = -1

// InvitationsShare is the most that invitations get of a cap, rounded down: 20%,
// but one where there is a cap at all.
func InvitationsShare(cap int64) int64 {
	if cap == Unlimited {
		return Unlimited
	}
	return min(cap, max(1, cap/5))
}

// ForInvitations is how many more invitations may begin today: within their
// share, and not of what is kept for letters.
func (q Quota) ForInvitations() int64 {
	if q.Cap == Unlimited {
		return Unlimited
	}
	left := q.Room() - max(0, LettersShare(q.Cap)-q.Letters)
	return max(0, min(left, InvitationsShare(q.Cap)-q.Invitations))
}

// Room is how many more mails of any kind may begin today.
func (q Quota) Room() int64 {
	if q.Cap == Unlimited {
		return Unlimited
	}
	return max(0, q.Cap-q.Used)
}

// Places are how many more mails may begin under a limit an hour or a day.
type Places struct {
	All         int64
	Invitations int64 // of them
}

// Places are those of a gate, after what has passed it.
func (u Usage) Places(g Gate) Places {
	share := Limit{}
	if g.PerHour > 0 {
		share.PerHour = InvitationsShare(g.PerHour)
	}
	if g.PerDay > 0 {
		share.PerDay = InvitationsShare(g.PerDay)
	}
	of := u.sum(func(b Begun) bool {
		return b.CampaignID == Invitations && g.Of(u.lanes[b.Lane], b.CampaignID, b.RelayID)
	})
	all := u.Through(g).Room(g.Limit, 0)
	return Places{All: all, Invitations: min(all, of.Room(share, 0))}
}
