//go:build unix

package launch_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gitseal/gitseal/cmd/internal/launch"
	"github.com/gitseal/gitseal/cmd/internal/mask"
)

// run runs a program to its end and returns what it printed.
func run(t *testing.T, p launch.Program) (out string, code int) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p.Out = f
	proc, err := launch.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	if code, err = proc.Wait(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(data), code
}

func TestEnvironmentIsExact(t *testing.T) {
	p := program("environ")
	p.Env = []string{"A=1", "B=x y\n'z'", roleEnv + "=environ"}
	out, code := run(t, p)
	want := "A=1\nB=x y\n'z'\n" + roleEnv + "=environ\n"
	if diff := cmp.Diff(want, out); diff != "" || code != 0 {
		t.Errorf("code %d: %s", code, diff)
	}
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		role, arg string
		want      int
	}{
		{"exit", "0", 0}, {"exit", "1", 1}, {"exit", "77", 77}, {"exit", "255", 255},
		{"kill", "9", 137}, {"kill", "15", 143}, {"kill", "2", 130},
	} {
		if _, code := run(t, program(tt.role, tt.arg)); code != tt.want {
			t.Errorf("%s %s: got %d, want %d", tt.role, tt.arg, code, tt.want)
		}
	}
}

func TestStartFails(t *testing.T) {
	p := program("exit", "0")
	p.Path = "/nowhere/program"
	p.Env = []string{"SECRET=hunter2"}
	p.FilterOut, p.Out = true, os.Stdout
	if _, err := launch.Start(p); err == nil || !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	p = program("exit", "0")
	p.Env = []string{"SECRET=" + strings.Repeat("hunter2", 1<<20)}
	if _, err := launch.Start(p); !errors.Is(err, syscall.E2BIG) || strings.Contains(err.Error(), "hunter2") {
		t.Error("a value that is too large did not fail as it should")
	}
}

func TestInputIsPassedThrough(t *testing.T) {
	for _, filter := range []string{"plain", "mask"} {
		cmd := wrapper(t, filter, "cat")
		in := strings.Repeat("some input\n", 1<<15)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.Output()
		if err != nil || string(out) != in {
			t.Errorf("%s: got %d bytes, want %d; %v", filter, len(out), len(in), err)
		}
	}
}

// started starts a wrapper and returns the lines that its program prints.
func started(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(out)
}

func expect(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	line, err := r.ReadString('\n')
	if got := strings.TrimSpace(line); got != want {
		t.Fatalf("got %q (%v), want %q", got, err, want)
	}
}

// TestSignalsAreForwarded: each reaches the program once, and the wrapper lives
// until the program ends.
func TestSignalsAreForwarded(t *testing.T) {
	for _, filter := range []string{"plain", "mask"} {
		cmd := wrapper(t, filter, "signals")
		// Without a terminal, as under a supervisor.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		r := started(t, cmd)
		expect(t, r, "ready")
		for _, s := range []syscall.Signal{unix.SIGINT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGQUIT, unix.SIGWINCH, unix.SIGCONT, unix.SIGINT, unix.SIGTERM} {
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			expect(t, r, unix.SignalName(s))
		}
		rest, _ := io.ReadAll(r)
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 9 || len(rest) > 0 {
			t.Errorf("%s: got %v, and %q after the end", filter, err, rest)
		}
	}
}

// TestIgnoredSignalsStayIgnored if the user ignores them, not if we do.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	self := program("wrapper")
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `trap '' HUP; exec "$0" plain ignored`, self.Path)
	cmd.Env = self.Env
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) != "true false" {
		t.Errorf("got %q, %v", out, err)
	}
}

// TestBrokenPipe: if nobody reads our output any more, the program learns it, and
// we end with it and in order.
func TestBrokenPipe(t *testing.T) {
	dir := t.TempDir()
	for _, filter := range []string{"mask", "fifo"} {
		cmd := wrapper(t, filter, "flood", "a line")
		cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+dir)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout = w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		expect(t, bufio.NewReader(r), "a line")
		_ = r.Close()
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 128+int(unix.SIGPIPE) {
			t.Errorf("%s: got %v", filter, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestMaskedOutput(t *testing.T) {
	m, err := mask.New([]string{"hunter2"})
	if err != nil {
		t.Fatal(err)
	}
	p := program("flood", "the password is hunter2, all right")
	p.FilterOut = true
	p.Filter = func(dst io.Writer, src launch.Source) error { return m.Copy(dst, src) }
	start := time.Now()
	out, code := run(t, p)
	took := time.Since(start)
	line := "the password is *****, all right\n"
	lines := (floodSize + len("the password is hunter2, all right")) / (len("the password is hunter2, all right") + 1)
	if code != 0 || out != strings.Repeat(line, lines) {
		t.Errorf("code %d, %d bytes, want %d", code, len(out), len(line)*lines)
	}
	t.Logf("10 MiB in %v", took)
}

// TestOrderIsKept: if both streams go to one place, their lines stay in order.
func TestOrderIsKept(t *testing.T) {
	cmd := wrapper(t, "mask", "both")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, line := range lines {
		if want := []string{"out ", "err "}[i%2]; !strings.HasPrefix(line, want) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if len(lines) != 100 {
		t.Errorf("%d lines", len(lines))
	}
}

// TestWhatIsLeftRunning does not keep us, and takes nothing of the output away.
func TestWhatIsLeftRunning(t *testing.T) {
	cmd := wrapper(t, "mask", "leave")
	start := time.Now()
	out, err := cmd.Output()
	if err != nil || string(out) != "the last words" {
		t.Errorf("got %q, %v", out, err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestNewEnvironment(t *testing.T) {
	from := []string{
		"PATH=/bin", "HOME=/h", "LC_ALL=C", "EDITOR=vi", "SOPS_AGE_KEY=k", "SOPS_AGE_KEY_FILE=f", "SOPS_AGE_KEY_CMD=c",
		"SOPS_AGE_SSH_PRIVATE_KEY_FILE=s", "VAULT_TOKEN=t", "BAO_TOKEN=t", "VAULT_ADDR=a", "AWS_ACCESS_KEY_ID=i", "AWS_SECRET_ACCESS_KEY=s",
		"AWS_SESSION_TOKEN=t", "AWS_REGION=r", "GOOGLE_CREDENTIALS=c", "GOOGLE_OAUTH_ACCESS_TOKEN=t", "GOOGLE_APPLICATION_CREDENTIALS=f",
		"AZURE_CLIENT_SECRET=s", "AZURE_TENANT_ID=t", "HUAWEICLOUD_SDK_AK=a", "GITSEAL_ALLOW=x", "=C:=odd", "broken",
	}
	for _, tt := range []struct {
		name     string
		pristine bool
		keep     []string
		want     []string
	}{
		{"usual", false, nil, []string{"PATH=/bin", "HOME=/h", "LC_ALL=C", "EDITOR=vi", "VAULT_ADDR=a", "AWS_REGION=r", "AZURE_TENANT_ID=t"}},
		{"kept", false, []string{"VAULT_TOKEN"}, []string{"PATH=/bin", "HOME=/h", "LC_ALL=C", "EDITOR=vi", "VAULT_TOKEN=t", "VAULT_ADDR=a", "AWS_REGION=r", "AZURE_TENANT_ID=t"}},
		{"pristine", true, nil, []string{"PATH=/bin", "HOME=/h", "LC_ALL=C"}},
		{"pristine and kept", true, []string{"EDITOR"}, []string{"PATH=/bin", "HOME=/h", "LC_ALL=C", "EDITOR=vi"}},
	} {
		if diff := cmp.Diff(tt.want, launch.NewEnvironment(from, tt.pristine, tt.keep).List()); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	e := launch.NewEnvironment([]string{"A=1", "B=2", "A=3"}, false, nil)
	e.Set("A", "x=y")
	if got := e.List(); !slices.Equal(got, []string{"B=2", "A=x=y"}) {
		t.Errorf("got %q", got)
	}
}

func TestDanger(t *testing.T) {
	for _, name := range []string{
		"PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "ENV", "IFS", "SHELLOPTS", "PS4", "PROMPT_COMMAND",
		"GIT_SSH_COMMAND", "GIT_SSH", "GIT_EXTERNAL_DIFF", "GIT_CONFIG_COUNT", "GIT_PAGER", "GIT_ASKPASS", "PYTHONPATH", "PYTHONSTARTUP", "NODE_OPTIONS", "PERL5LIB", "PERL5OPT", "RUBYOPT",
		"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "GOFLAGS", "EDITOR", "VISUAL", "PAGER", "BROWSER", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_FILE",
		"SSL_CERT_DIR", "KUBECONFIG", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "LESSOPEN", "GCONV_PATH", "LOCPATH", "MALLOC_CHECK_", "GLIBC_TUNABLES", "npm_config_registry", "SOPS_AGE_KEY",
		"VAULT_ADDR", "VAULT_AGENT_ADDR", "BAO_ADDR", "CONSUL_HTTP_ADDR", "NOMAD_ADDR", "AZURE_OPENAI_ENDPOINT", "AZURE_ENDPOINT_URL", "GOOGLE_STORAGE_CUSTOM_ENDPOINT",
		"AWS_ENDPOINT_URL_S3", "KUBERNETES_SERVICE_HOST", "DOCKER_HOST", "BUILDKIT_HOST",
		"RESTIC_PASSWORD_COMMAND", "RCLONE_PASSWORD_COMMAND", "BORG_PASSCOMMAND", "BORG_RSH", "BORG_REMOTE_PATH", "GOAUTH", "GOINSECURE", "GOWORK", "HGEDITOR", "HGMERGE", "HG",
		"P4EDITOR", "P4DIFF", "CVS_SERVER", "CVS_RSH", "RSYNC_SHELL", "RSYNC_RSH", "CCACHE_PREFIX", "CCACHE_COMPILER", "PSQLRC", "APT_CONFIG", "TERRAGRUNT_TFPATH", "PACKER_PLUGIN_PATH",
		"PUPPETEER_EXECUTABLE_PATH", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "GUNICORN_CMD_ARGS", "IRBRC", "EMACSLOADPATH", "RIPGREP_CONFIG_PATH", "OCL_ICD_FILENAMES", "OMP_TOOL_LIBRARIES",
		"CUDA_INJECTION64_PATH", "LIBVA_DRIVERS_PATH", "CMAKE_TOOLCHAIN_FILE", "CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE",
		"ES_JAVA_OPTS", "LS_JAVA_OPTS", "KAFKA_OPTS", "KAFKA_HEAP_OPTS", "HADOOP_OPTS", "HADOOP_NAMENODE_OPTS", "HBASE_OPTS", "YARN_OPTS", "SERVER_JVMFLAGS", "APP_JVM_OPTS",
	} {
		if reason, dangerous := launch.Danger(name); !dangerous || reason == "" {
			t.Errorf("%s passes", name)
		}
	}
	for _, name := range []string{
		"DB_PASSWORD", "DATABASE_URL", "NODE_ENV", "NPM_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "GIT_TOKEN", "PORT", "RUST_LOG",
		"VAULT_TOKEN", "DOCKER_PASSWORD", "TF_VAR_password", "TRUST_PROXY", "SSL_KEY", "LISTEN_PORT", "GPG_PASSPHRASE", "PATHS", "MY_PATH", "CARGO_REGISTRY_TOKEN", "USER", "ENVIRONMENT",
		"RESTIC_PASSWORD", "RESTIC_REPOSITORY", "RCLONE_CONFIG_PASS", "RCLONE_CONFIG_BACKUP_PASS", "BORG_PASSPHRASE", "BORG_KEY", "P4PASSWD", "P4PORT", "PGPASSWORD", "PGHOST", "PSQL_PASSWORD",
		"CONSUL_HTTP_TOKEN", "NOMAD_TOKEN", "VAULT_NAMESPACE", "VAULT_ROLE_ID", "VAULT_SECRET_ID", "VAULT_UNSEAL_KEY", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_OPENAI_API_KEY",
		"AZURE_STORAGE_CONNECTION_STRING", "GOOGLE_API_KEY", "GOOGLE_CLIENT_SECRET", "GOOGLE_APPLICATION_CREDENTIALS", "DOCKER_TOKEN", "KAFKA_PASSWORD", "KAFKA_BROKERS", "ES_PASSWORD",
		"HADOOP_USER_NAME", "ADDR", "REDIS_ADDR", "SMTP_ADDR", "S3_ENDPOINT", "ENDPOINT", "COMMAND_TOKEN", "EDITOR_API_KEY", "SMTP_OPTS", "OPTS", "PYTEST_TOKEN", "GUNICORN_SECRET",
		"CCACHE_REMOTE_TOKEN", "PACKER_TOKEN", "APT_PASSWORD", "CUDA_VISIBLE_DEVICES", "HG_PASSWORD", "GOOGLE", "GO_ENV", "RAILS_MASTER_KEY", "TERRAGRUNT_TOKEN", "YARN_NPM_AUTH_TOKEN",
	} {
		if reason, dangerous := launch.Danger(name); dangerous {
			t.Errorf("%s is refused: %s", name, reason)
		}
	}
}
