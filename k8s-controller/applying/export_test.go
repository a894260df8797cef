package applying

// What reads the server's text, for fuzzing.
var (
	FieldPath = fieldPath
	Owned     = owned
)
