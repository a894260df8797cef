package doors

import (
	"errors"

	"github.com/gitseal/gitseal/cmd/internal/agents"
)

// Env is the variable by which a person says whether doors are open or closed,
// whoever seems to run the program. It does not open what a configuration closes.
const Env = "GITSEAL_DOORS"

// ErrEnv: Env is set to something else than open or closed.
var ErrEnv = errors.New("the variable " + Env + " is neither open nor closed")

// ClosedToCaller says why doors are closed to whoever runs this process, "" if they
// are not: because of Env, or because an AI agent seems to run it. Its error is
// [ErrEnv].
func ClosedToCaller(getenv func(string) string) (why string, err error) {
	switch v := getenv(Env); v {
	case "open":
		return "", nil
	case "closed":
		return Env + " is closed", nil
	case "":
	default:
		return "", ErrEnv
	}
	if sign, found := agents.Detect(agents.OfProcess(getenv)); found {
		return "an AI agent seems to run this: " + sign, nil
	}
	return "", nil
}
