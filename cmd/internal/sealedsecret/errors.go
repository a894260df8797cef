package sealedsecret

import "errors"

// The causes that an [Error] may wrap. Each stands for one way out.
var (
	// ErrManifest: the input is not a SealedSecret as Kubernetes would take it.
	ErrManifest = errors.New("not a usable SealedSecret")
	// ErrNoKey: none of the private keys opens a value.
	ErrNoKey = errors.New("none of the sealing keys opens it")
	// ErrScope: a value was sealed for another name, namespace or scope than the
	// manifest says.
	ErrScope = errors.New("sealed for another place")
	// ErrDamaged: a ciphertext was cut or changed.
	ErrDamaged = errors.New("damaged")
	// ErrNamespace: the namespace has to be known, and the manifest leaves it out,
	// or says another one than the caller.
	ErrNamespace = errors.New("which namespace")
	// ErrTemplate: spec.template.data holds templates, which are not rendered here.
	ErrTemplate = errors.New("holds templates")
	// ErrKeys: a file of private keys holds none that can be used.
	ErrKeys = errors.New("no usable private key")
)

// Error is how this package refuses something.
type Error struct {
	// Cause is one of the sentinels of this package.
	Cause error
	// Object is the name of the SealedSecret, "" if it is not known.
	Object string
	// Path is the place within it, "" for the whole.
	Path string
	// Msg says what is wrong.
	Msg string
}

// Error returns "name: path: message".
func (e *Error) Error() string {
	s := e.Msg
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	if e.Object != "" {
		s = e.Object + ": " + s
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
