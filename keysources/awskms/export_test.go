package awskms

// SessionName is sessionName, for tests.
var SessionName = sessionName
