package address

// ParseAny is Parse without its short way.
var ParseAny = parseAny
