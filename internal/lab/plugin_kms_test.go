//go:build unix

package lab

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// awsKMS is where AWS's plugin looks for KMS: it has no setting for another
// endpoint, but heeds HTTPS_PROXY.
const awsKMS = "kms." + defaultRegion + ".amazonaws.com"

// outside returns the settings with which the plugin trusts the lab, and
// reaches the lab's KMS under AWS's name for it.
func (l *Lab) outside(t testing.TB, home string) []string {
	t.Helper()
	certificate, authority := certificateFor(t, awsKMS)
	bundle := filepath.Join(home, "ca.pem")
	if err := os.WriteFile(bundle, append(authority, l.CACertPEM()...), 0o600); err != nil {
		t.Fatal(err)
	}
	l.hosts[awsKMS] = true
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != awsKMS+":443" {
			t.Errorf("the plugin asked the proxy for %s %s", r.Method, r.Host)
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		l.answerOne(t, tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}}))
	}))
	t.Cleanup(proxy.Close)
	return []string{"AWS_CA_BUNDLE=" + bundle, "SSL_CERT_FILE=" + bundle, "HTTPS_PROXY=" + proxy.URL, "NO_PROXY=127.0.0.1"}
}

// answerOne answers the one request of a connection.
func (l *Lab) answerOne(t testing.TB, conn net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		if !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		return
	}
	answer := httptest.NewRecorder()
	l.ServeHTTP(answer, r)
	response := answer.Result()
	response.Close = true
	if err := response.Write(conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
	conn.Close()
}

// certificateFor makes a server certificate for a name, and its authority.
func certificateFor(t testing.TB, name string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		DNSNames:              []string{name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
