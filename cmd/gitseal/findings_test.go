package main_test

import "slices"

// reportsFindings tells the calls whose exit code says that they found something, and
// which print that.
func reportsFindings(args []string) bool {
	if len(args) < 2 {
		return false
	}
	return slices.Contains([]string{"check", "report", "resolve", "k8s"}, args[1]) || args[1] == "git" && slices.ContainsFunc(args, func(a string) bool { return a == "check" || a == "--check" })
}

// comparesLikeGit tells the calls whose exit code is meant as git's is.
func comparesLikeGit(args []string) bool {
	return len(args) > 1 && args[1] == "diff" && slices.ContainsFunc(args, func(a string) bool { return a == "--exit-code" || a == "--quiet" || a == "-q" })
}
