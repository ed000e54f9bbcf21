// Package preflight decides whether a campaign may go: it looks at the mail as
// a recipient would get it, at the domain it comes from, at the people it goes
// to and at how many they are. It is the campaigns' [campaign.Gate].
//
// Errors keep a campaign from being launched, by any call; warnings must be
// taken note of by their code; both are kept with the campaign. What is found
// about one message is the child inspect's; what DNS says of a domain is package
// sending/doctor's. docs/preflight.md has a section for each code.
package preflight
