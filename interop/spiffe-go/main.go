// Runs go-spiffe, the reference client, against a Workload API of Behalf and checks what it gets.
//
// SPIFFE_ENDPOINT_SOCKET names the socket; BUNDLE is a file with the bundle endpoint's document. The
// program prints one line per check, asks for a key rotation by the line `rotate`, and exits with 1
// at the first check that fails.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const audience = "https://behalf.example"

func main() {
	log.SetFlags(0)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	client, err := workloadapi.New(ctx)
	check("connects", err)
	defer client.Close()

	x509Context, err := client.FetchX509Context(ctx)
	check("FetchX509SVID", err)
	svid := x509Context.DefaultSVID()
	id, _, err := x509svid.Verify(svid.Certificates, x509Context.Bundles)
	check("the X.509-SVID chains to the bundle", err)
	same("its SPIFFE ID", id, svid.ID)

	_, err = client.FetchX509Bundles(ctx)
	check("FetchX509Bundles", err)

	token, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
	check("FetchJWTSVID", err)
	same("its SPIFFE ID", token.ID, svid.ID)
	jwtBundles, err := client.FetchJWTBundles(ctx)
	check("FetchJWTBundles", err)
	_, err = jwtsvid.ParseAndValidate(token.Marshal(), jwtBundles, []string{audience})
	check("the JWT-SVID verifies offline", err)
	_, err = jwtsvid.ParseAndValidate(token.Marshal(), jwtBundles, []string{"https://other.example"})
	refused("the JWT-SVID for another audience", err)
	valid, err := client.ValidateJWTSVID(ctx, token.Marshal(), audience)
	check("ValidateJWTSVID", err)
	same("its SPIFFE ID", valid.ID, svid.ID)
	_, err = client.ValidateJWTSVID(ctx, token.Marshal(), "https://other.example")
	same("another audience", status.Code(err), codes.InvalidArgument)
	_, err = client.FetchJWTSVID(ctx, jwtsvid.Params{
		Audience: audience,
		Subject:  spiffeid.RequireFromString("spiffe://" + svid.ID.TrustDomain().Name() + "/agent/other/x"),
	})
	same("another identity", status.Code(err), codes.PermissionDenied)

	document, err := spiffebundle.Load(svid.ID.TrustDomain(), os.Getenv("BUNDLE"))
	check("the bundle endpoint's document", err)
	_, _, err = x509svid.Verify(svid.Certificates, document)
	check("the X.509-SVID chains to it", err)
	_, err = jwtsvid.ParseAndValidate(token.Marshal(), document, []string{audience})
	check("the JWT-SVID verifies under it", err)

	source, err := workloadapi.NewX509Source(ctx)
	check("X509Source", err)
	defer source.Close()
	talk(source, svid.ID)

	fmt.Println("rotate")
	before := len(x509Context.Bundles.Bundles()[0].X509Authorities())
	for roots(source, svid.ID) != before+1 {
		select {
		case <-source.Updated():
		case <-ctx.Done():
			log.Fatal("FAIL the new root arrives: ", ctx.Err())
		}
	}
	check("the new root arrives", nil)
	talk(source, svid.ID)
}

// talk sets up mutual TLS with ourselves, both sides authenticated by SVIDs.
func talk(source *workloadapi.X509Source, id spiffeid.ID) {
	authorize := tlsconfig.AuthorizeID(id)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", tlsconfig.MTLSServerConfig(source, source, authorize))
	check("listens", err)
	defer listener.Close()
	go func() {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		_, _ = io.Copy(connection, connection)
	}()
	raw, err := net.Dial("tcp", listener.Addr().String())
	check("dials", err)
	connection := tls.Client(raw, tlsconfig.MTLSClientConfig(source, source, authorize))
	defer connection.Close()
	_, err = connection.Write([]byte("hello"))
	check("mutual TLS", err)
	answer := make([]byte, 5)
	_, err = io.ReadFull(connection, answer)
	check("echo over mutual TLS", err)
}

func roots(source *workloadapi.X509Source, id spiffeid.ID) int {
	bundle, err := source.GetX509BundleForTrustDomain(id.TrustDomain())
	if err != nil {
		log.Fatal("FAIL the bundle of the source: ", err)
	}
	return len(bundle.X509Authorities())
}

func check(what string, err error) {
	if err != nil {
		log.Fatalf("FAIL %s: %v", what, err)
	}
	fmt.Println("ok", what)
}

func refused(what string, err error) {
	if err == nil {
		log.Fatalf("FAIL %s: expected a refusal", what)
	}
	fmt.Println("ok", what, "is refused")
}

func same[T comparable](what string, got, want T) {
	if got != want {
		log.Fatalf("FAIL %s: expected %v, got %v", what, want, got)
	}
	fmt.Println("ok", what)
}
