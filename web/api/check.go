package api

import (
	"context"
	"errors"
	"time"

	"facteur/internal/database"
	"facteur/sending/doctor"
)

// DomainCheck is what a domain looks like from outside.
type DomainCheck struct {
	CheckedAt  *time.Time      `json:"checked_at"`
	ReturnPath string          `json:"return_path" doc:"The envelope's domain, which SPF is about."`
	EgressIPs  []string        `json:"egress_ips" doc:"The addresses it was judged for: those of the relays of the domain's senders."`
	Errors     int             `json:"errors"`
	Warnings   int             `json:"warnings"`
	Findings   []DomainFinding `json:"findings" doc:"By check, the gravest first."`
	Last       *LastCheck      `json:"last" doc:"The last daily check; null: there was none yet."`
}

// LastCheck is a daily check.
type LastCheck struct {
	CheckedAt *time.Time      `json:"checked_at"`
	ChangedAt *time.Time      `json:"changed_at" doc:"When what is wrong changed last."`
	Errors    int             `json:"errors"`
	Warnings  int             `json:"warnings"`
	Findings  []DomainFinding `json:"findings"`
}

// DomainFinding is one thing that was seen.
type DomainFinding struct {
	Check    string  `json:"check" enum:"spf,dkim,dmarc,mx,return_path,ptr,blocklists,relay,transport"`
	Code     string  `json:"code" doc:"Stable; see docs/doctor.md. What ends with _unknown was not learned, which is no fault of the domain." example:"spf_missing"`
	Severity string  `json:"severity" enum:"error,warning,info,ok"`
	About    string  `json:"about" doc:"The name, address or server it is about."`
	Message  string  `json:"message" doc:"What was seen, and where."`
	Fix      string  `json:"fix" doc:"What to do; empty where there is nothing to do."`
	Record   *Record `json:"record" doc:"What to publish; null where that is not the way."`
}

func domainFindingsOf(r doctor.Report) []DomainFinding {
	all := make([]DomainFinding, len(r.Findings))
	for i, f := range r.Findings {
		all[i] = DomainFinding{Check: f.Check, Code: f.Code, Severity: string(f.Severity), About: f.About, Message: f.Message, Fix: f.Fix}
		if f.Record != nil {
			all[i].Record = &Record{f.Record.Name, f.Record.Type, f.Record.Value, f.Fix}
		}
	}
	return all
}

// checkDomain examines a domain anew, and shows the last daily check beside it.
func (c *calls) checkDomain(ctx context.Context, in *ByID) (DomainCheck, error) {
	r, err := c.CheckDomain(ctx, in.id())
	if err != nil {
		return DomainCheck{}, err
	}
	out := DomainCheck{
		CheckedAt: &r.At, ReturnPath: r.ReturnPath, EgressIPs: r.Egress,
		Errors: r.Count(doctor.Error), Warnings: r.Count(doctor.Warning), Findings: domainFindingsOf(r),
	}
	last, err := c.Sending.LastCheck(ctx, in.id())
	if errors.Is(err, database.ErrNotFound) {
		return out, nil
	}
	out.Last = &LastCheck{
		CheckedAt: at(last.CheckedAt), ChangedAt: at(last.ChangedAt),
		Errors: last.Report.Count(doctor.Error), Warnings: last.Report.Count(doctor.Warning), Findings: domainFindingsOf(last.Report),
	}
	return out, err
}
