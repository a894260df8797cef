package kubetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/gitseal/gitseal/internal/toolcache"
	"github.com/gitseal/gitseal/k8s-controller/deploy"
)

// Config returns a client configuration of the cluster's administrator, without a
// limit of its own on requests.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.config) }

// ConfigFor returns a client configuration of a user, by client certificate. The user
// may do what RBAC says.
func (c *Cluster) ConfigFor(tb testing.TB, user string, groups ...string) *rest.Config {
	tb.Helper()
	config, err := c.clientConfig(user, groups...)
	if err != nil {
		tb.Fatal(err)
	}
	return config
}

// ServiceAccountConfig returns a client configuration of a service account, by token.
// The service account is made if there is none.
func (c *Cluster) ServiceAccountConfig(tb testing.TB, namespace, name string) *rest.Config {
	tb.Helper()
	accounts := c.clientset(tb).CoreV1().ServiceAccounts(namespace)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := accounts.Create(tb.Context(), account, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		tb.Fatal(err)
	}
	token, err := accounts.CreateToken(tb.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	config := c.anonymous()
	config.BearerToken = token.Status.Token
	return config
}

// anonymous is what all configurations have in common.
func (c *Cluster) anonymous() *rest.Config {
	return &rest.Config{
		Host: "https://" + address(c.ports.apiserver), QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: c.certs.certPEM},
	}
}

func (c *Cluster) clientConfig(user string, groups ...string) (*rest.Config, error) {
	cert, key, err := c.certs.client(user, groups)
	if err != nil {
		return nil, fmt.Errorf("making a certificate for %s: %w", user, err)
	}
	config := c.anonymous()
	config.CertData, config.KeyData = cert, key
	return config, nil
}

func (c *Cluster) clientset(tb testing.TB) *kubernetes.Clientset {
	tb.Helper()
	client, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

func (c *Cluster) kubeconfig() ([]byte, error) { return Kubeconfig(c.config) }

// Kubeconfig returns a configuration file for the same server and user.
func Kubeconfig(config *rest.Config) ([]byte, error) {
	const name = "kubetest"
	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken,
	}
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	file.CurrentContext = name
	return clientcmd.Write(*file)
}

// Kubeconfig writes the administrator's configuration into a file in a temporary
// folder of the test, and returns its path.
func (c *Cluster) Kubeconfig(tb testing.TB) string {
	tb.Helper()
	return WriteKubeconfig(tb, c.config)
}

// WriteKubeconfig writes a configuration into a file in a temporary folder of the
// test, and returns its path.
func WriteKubeconfig(tb testing.TB, config *rest.Config) string {
	tb.Helper()
	data, err := Kubeconfig(config)
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Kubectl runs the real kubectl as the administrator and returns what it wrote to
// stdout. The test fails if kubectl does.
func (c *Cluster) Kubectl(tb testing.TB, stdin string, args ...string) string {
	tb.Helper()
	out, err := c.TryKubectl(tb, stdin, args...)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// TryKubectl is Kubectl for commands that may fail: the error holds what kubectl
// wrote to stderr.
func (c *Cluster) TryKubectl(tb testing.TB, stdin string, args ...string) (string, error) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), toolcache.Program(c.programs, "kubectl"), args...)
	// HOME is where it keeps its cache.
	cmd.Env = []string{"KUBECONFIG=" + c.Kubeconfig(tb), "HOME=" + c.dir, "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// InstallCRDs installs the project's CustomResourceDefinitions, and returns when the
// API server serves them.
func (c *Cluster) InstallCRDs(tb testing.TB) {
	tb.Helper()
	if err := c.installCRDs(tb); err != nil {
		tb.Fatal(err)
	}
}

func (c *Cluster) installCRDs(tb testing.TB) error {
	tb.Helper()
	for _, args := range [][]string{
		{"apply", "--server-side", "--force-conflicts"},
		{"wait", "--for=condition=Established", "--timeout=2m"},
	} {
		if _, err := c.TryKubectl(tb, string(deploy.CRDs()), append(args, "-f", "-")...); err != nil {
			return fmt.Errorf("installing the CustomResourceDefinitions: %w", err)
		}
	}
	return nil
}

// Namespace makes a namespace of its own for the test, and returns its name. It is
// not deleted: without a controller manager it could not be.
func (c *Cluster) Namespace(tb testing.TB) string {
	tb.Helper()
	ns, err := c.clientset(tb).CoreV1().Namespaces().Create(tb.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	return ns.Name
}

// Metrics returns the API server's own metrics, in the text form of Prometheus, so
// that a test can count requests.
func (c *Cluster) Metrics(ctx context.Context) (string, error) {
	client, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return "", err
	}
	data, err := client.RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return "", errors.Join(errors.New("reading the API server's metrics"), err)
	}
	return string(data), nil
}
