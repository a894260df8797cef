#!/usr/bin/env bash
# Runs every check of this repository, and installs or builds what they need:
#
#   ./test.sh               all steps
#   ./test.sh test race     these steps
#   ./test.sh -l            list the steps
#
# It needs Go (go.mod says which; Go 1.21 and newer fetch that one), and at first
# the Go module proxy. On Debian and Ubuntu it installs missing packages if it may.
# A test that could not have what it needs fails here; GITSEAL_TEST_NO_SKIP= (empty)
# lets it be skipped. All steps run even if one fails; the last line sums up.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec </dev/null
export GITSEAL_TEST_NO_SKIP=${GITSEAL_TEST_NO_SKIP-1}

# How long each fuzz target runs, or how often, and how many packages the core may
# link. A hundred inputs show that the targets work; a search is FUZZTIME=60s.
readonly fuzz_time=${FUZZTIME:-100x}
readonly max_packages=250

# The programs that tests run, each with the package of Debian that has it.
readonly programs=(
	git:git
	gpg:gpg gpgconf:gpgconf gpg-agent:gpg-agent pinentry-curses:pinentry-curses
	ssh-keygen:openssh-client
	zsh:zsh fish:fish python3:python3 node:nodejs
	vim:vim nvim:neovim emacs:emacs-nox nano:nano
)

readonly steps=(tools format vet staticcheck peers test race fuzz cross packages reproducible)
declare -A titles=(
	[tools]="programs that the tests need"
	[format]="gofmt"
	[vet]="go vet"
	[staticcheck]="staticcheck, built from testdata/tools/staticcheck"
	[peers]="the programs that the tests run against, built from testdata/tools into a cache"
	[test]="go test ./..."
	[race]="go test -race -short"
	[fuzz]="each fuzz target, $fuzz_time"
	[cross]="the programs for linux, darwin and windows"
	[packages]="the core links fewer than $max_packages packages, gitseal neither HTTP nor Kubernetes"
	[reproducible]="two builds in two folders are equal"
)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# as_root runs a command with root's rights, or fails if there is no way that
# does not ask for a password.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

step_tools() {
	if ! command -v go >/dev/null; then
		echo "go is missing: install it from https://go.dev/dl"
		return 1
	fi
	go version
	local program missing=()
	for program in "${programs[@]}"; do
		command -v "${program%%:*}" >/dev/null || missing+=("${program#*:}")
	done
	# The race detector needs a C compiler.
	command -v "$(go env CC)" >/dev/null || missing+=(gcc libc6-dev)
	if [ "$(go env GOOS)" = linux ]; then
		command -v strace >/dev/null || missing+=(strace)
	fi
	if [ ${#missing[@]} -eq 0 ]; then
		echo "nothing is missing"
		return
	fi
	if ! command -v apt-get >/dev/null || ! as_root true; then
		echo "please install: ${missing[*]} (not done here: needs apt-get, and root or sudo without a password)"
		return 1
	fi
	echo "installing ${missing[*]}"
	as_root apt-get update -q
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

step_format() {
	local unformatted
	unformatted=$("$(go env GOROOT)/bin/gofmt" -l .)
	if [ -n "$unformatted" ]; then
		echo "not formatted:"
		echo "$unformatted"
		return 1
	fi
}

step_vet() {
	go vet ./...
}

step_staticcheck() {
	local bin
	bin=$(go -C testdata/tools/staticcheck tool -n staticcheck)
	"$bin" ./...
}

step_peers() {
	go test -count=1 -v -timeout 60m -run '^TestBuildAll$' ./internal/toolcache
}

step_test() {
	go test -timeout 25m ./...
}

step_race() {
	# These start programs, have no threads of their own, and are long.
	local packages
	packages=$(go list ./... | grep -v -e '/bench$' -e '/k8s-controller/deploy$' -e '/k8s-controller/tryout$' -e '/k8s-controller/chaostest$' -e '/k8s-controller/api/v1alpha1$')
	# Programs under the race detector sleep for a second at their end unless they are
	# told not to; tests start hundreds.
	# shellcheck disable=SC2086
	GORACE="atexit_sleep_ms=0 ${GORACE-}" CGO_ENABLED=1 go test -race -short -timeout 25m $packages
}

fuzz_one() {
	go test -run '^$' -fuzz "^$2\$" -fuzztime "$fuzz_time" -fuzzminimizetime 10x "$1" >"$scratch/fuzz" 2>&1
}

step_fuzz() {
	# go test -list prints the targets of a package, then a line with its name.
	go test -list '^Fuzz' ./... >"$scratch/list" || { cat "$scratch/list"; return 1; }
	awk '/^Fuzz/ { t[n++] = $1 } /^(ok|\?)/ { for (i = 0; i < n; i++) print $2, t[i]; n = 0 }' "$scratch/list" >"$scratch/targets"
	local package target failed=0
	while read -r package target; do
		echo "$package $target"
		if fuzz_one "$package" "$target"; then continue; fi
		cat "$scratch/fuzz"
		# On a busy machine go test may report that the time was up as a failure. What
		# it has found, it writes down; without that, one more try decides.
		if grep -q 'Failing input' "$scratch/fuzz" || ! grep -q 'context deadline exceeded' "$scratch/fuzz" ||
			! fuzz_one "$package" "$target"; then
			failed=1
		fi
	done <"$scratch/targets"
	echo "$(wc -l <"$scratch/targets") targets"
	return $failed
}

step_cross() {
	local os arch program
	for os in linux darwin windows; do
		for arch in amd64 arm64; do
			echo "$os/$arch"
			CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -o "$scratch/cross" ./cmd/gitseal
		done
	done
	# The other programs are large: few builds show what all would. The controller
	# runs in containers only.
	local target
	for target in linux/arm64/gitseal-keyservice darwin/arm64/gitseal-keyservice windows/amd64/gitseal-keyservice \
		linux/arm64/gitseal-controller; do
		echo "$target"
		IFS=/ read -r os arch program <<<"$target"
		CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -o "$scratch/cross" "./cmd/$program"
	done
}

step_packages() {
	local count
	go list -deps ./cipher ./formats/yaml ./keysources/age >"$scratch/deps"
	count=$(wc -l <"$scratch/deps")
	echo "$count packages"
	[ "$count" -lt "$max_packages" ]
	# What asks other machines is in gitseal-keyservice, so that gitseal starts fast.
	if go list -deps ./cmd/gitseal | grep -x -e net/http -e google.golang.org/grpc -e 'k8s\.io/.*'; then
		echo "cmd/gitseal must not link these"
		return 1
	fi
}

step_reproducible() {
	local copy
	for copy in a b/deeper; do
		mkdir -p "$scratch/$copy"
		tar -c --exclude ./.git . | tar -x -C "$scratch/$copy"
		(cd "$scratch/$copy" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o built/ ./cmd/...)
	done
	local program
	for program in gitseal gitseal-keyservice gitseal-controller; do
		cmp "$scratch/a/built/$program" "$scratch/b/deeper/built/$program"
		echo "$program: $(wc -c <"$scratch/a/built/$program") bytes"
	done
}

failed=()
passed=0

# run_step runs a step in a subshell of its own, outside of any condition, because
# bash ignores set -e in conditions.
run_step() {
	local name=$1 start=$SECONDS status
	printf '\n=== %s: %s\n' "$name" "${titles[$name]}"
	set +e
	(set -e; "step_$name")
	status=$?
	set -e
	if [ $status -eq 0 ]; then
		printf -- '--- %s: passed in %d s\n' "$name" $((SECONDS - start))
		passed=$((passed + 1))
	else
		printf -- '--- %s: FAILED in %d s\n' "$name" $((SECONDS - start))
		failed+=("$name")
	fi
}

main() {
	local name
	if [ "${1-}" = -l ]; then
		for name in "${steps[@]}"; do printf '%-14s%s\n' "$name" "${titles[$name]}"; done
		return
	fi
	local chosen=("$@")
	[ $# -gt 0 ] || chosen=("${steps[@]}")
	for name in "${chosen[@]}"; do
		if [ -z "${titles[$name]-}" ]; then
			echo "no such step: $name (-l lists them)" >&2
			return 2
		fi
	done
	for name in "${chosen[@]}"; do run_step "$name"; done
	if [ ${#failed[@]} -gt 0 ]; then
		printf '\nFAILED in %d s: %s (%d steps passed)\n' "$SECONDS" "${failed[*]}" "$passed"
		return 1
	fi
	printf '\nall %d steps passed in %d s\n' "$passed" "$SECONDS"
}

main "$@"
