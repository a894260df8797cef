package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/doors"
)

// The doors: a command that hands out plaintext passes openDoor first.
const (
	doorUnseal     = doors.Unseal
	doorGet        = doors.Get
	doorEdit       = doors.Edit
	doorDiff       = doors.Diff
	doorExec       = doors.Exec
	doorAccept     = doors.Accept
	doorPlain      = doors.AcceptPlain
	doorExposing   = doors.Exposing
	doorKeyservice = doors.Keyservice
	doorKustomize  = doors.Kustomize
	doorHelmRender = doors.HelmRender
	doorHelmGet    = doors.HelmGet
)

// openDoor refuses to hand out plaintext where that is closed: when an AI agent runs
// the program, or the configuration of one of the files says so.
func openDoor(s std, name string, files ...input) error {
	if err := openToCaller(s, name); err != nil || len(files) == 0 {
		return err
	}
	book, err := newRuleBook(s.getenv("SOPS_CONFIG"))
	if err != nil {
		return err
	}
	return openByRule(book, name, files...)
}

// openHere is openDoor for what no file is concerned in: the configuration above the
// current folder counts.
func openHere(s std, name string) error {
	path, err := filepath.Abs(configName)
	if err != nil {
		return err
	}
	return openDoor(s, name, input{name: configName, rulePath: path})
}

// openToCaller is openDoor as far as no file is needed for it: commands ask it before
// they read anything.
func openToCaller(s std, name string) error {
	why, err := closedToCaller(s)
	if err != nil || why == "" {
		return err
	}
	return doorError(name, why)
}

// closedToCaller says why doors are closed to whoever runs the program, "" if they
// are not.
func closedToCaller(s std) (why string, err error) {
	if why, err = doors.ClosedToCaller(s.getenv); err != nil {
		return "", usageError(err.Error(), "unset it: doors are open to people, and closed to AI agents")
	}
	return why, nil
}

// openByRule refuses what the configuration of one of the files closes for everybody.
// The .sops.yaml above a file counts whatever other configuration is in force.
func openByRule(book *ruleBook, name string, files ...input) error {
	for _, f := range files {
		configs, err := book.configs(f.rulePath)
		if err != nil {
			return &fileError{name: f.name, err: err}
		}
		for _, c := range configs {
			if slices.Contains(c.ClosedDoors, name) {
				return doorError(name, f.name+": "+c.Path+" closes it (gitseal: doors)")
			}
		}
	}
	return nil
}

// doorError is what a closed door answers.
func doorError(name, why string) error {
	d, _ := doors.ByName(name)
	text := "gitseal " + name + " is closed, which hands out " + d.Opens
	if name == doorExposing {
		text = "making sealed values plain is closed"
	}
	return &commandError{code: exitRefused, text: text + ": " + why, hint: d.Twin}
}

func doorsCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "doors",
		Usage:     "list the ways in which plaintext leaves gitseal, and whether they are open here",
		UsageText: "gitseal doors [FLAGS] [FILE…]",
		Description: `There are no other ways. All are closed when an AI agent seems to run gitseal, which variables
and the names of the programs above tell. GITSEAL_DOORS=open says that a person does, and
GITSEAL_DOORS=closed closes them, in CI, say, whose logs many can read. For everybody, .sops.yaml
closes all or some:

   gitseal:
       doors: closed            # or: [unseal, get]

That keeps plaintext out of transcripts and logs. It is no boundary: who runs as you can read
the keys that you can read. See docs/agents.md.`,
		Flags: []cli.Flag{
			jsonFlag(),
			&cli.StringFlag{Name: "config", Usage: "rules `FILE` in place of the .sops.yaml above each file", EnvVars: []string{"SOPS_CONFIG"}},
		},
		Action: func(c *cli.Context) error { return runDoors(c, s, u) },
	}
}

// doorStatus is the JSON form of what is said of a door.
type doorStatus struct {
	Door    string `json:"door"`
	Opens   string `json:"opens"`
	Open    bool   `json:"open"`
	Why     string `json:"why,omitempty"`
	Instead string `json:"instead"`
}

func runDoors(c *cli.Context, s std, u *ui) error {
	book, err := newRuleBook(c.String("config"))
	if err != nil {
		return err
	}
	names := c.Args().Slice()
	if len(names) == 0 {
		names = []string{configName} // whatever is here
	}
	var files []input
	for _, name := range names {
		path, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		files = append(files, input{name: name, rulePath: path})
	}
	why, err := closedToCaller(s)
	if err != nil {
		return err
	}
	var out []doorStatus
	for _, d := range doors.All() {
		status := doorStatus{Door: d.Name, Opens: d.Opens, Why: why, Instead: d.Twin}
		if closed := (*commandError)(nil); why == "" {
			err := openByRule(book, d.Name, files...)
			if err != nil && !asError(err, &closed) {
				return err
			}
			if err != nil {
				status.Why = "the configuration closes it (gitseal: doors)"
			}
		}
		status.Open = status.Why == ""
		out = append(out, status)
	}
	if c.Bool("json") {
		return u.json(out)
	}
	printDoors(u, out)
	return nil
}

func printDoors(u *ui, list []doorStatus) {
	for _, d := range list {
		state := "open  "
		if !d.Open {
			state = "closed"
		}
		fmt.Fprintf(u.out, "%s  %-16s  %s\n", state, d.Door, d.Opens)
		if !d.Open {
			fmt.Fprintf(u.out, "        %-16s  %s; %s\n", "", oneLine(d.Why), d.Instead)
		}
	}
}
