package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const (
	protobuf = "application/x-protobuf"
	// maxAnswer is how much of an answer is read.
	maxAnswer = 64 << 10
	// maxAgain is how long at most to wait before another attempt.
	maxAgain = 30 * time.Second
)

// client sends one signal to its receiver. OpenTelemetry's exporters would do the same, and
// link all of grpc: nine megabytes.
type client struct {
	settings
	http  *http.Client
	agent string
}

func newClient(set *settings, version string) (*client, error) {
	cfg, err := set.tls.config()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = cfg
	return &client{settings: *set, agent: "ktlstop/" + version, http: &http.Client{Transport: transport, Timeout: set.timeout,
		// A redirection would make a GET of it, and its answer a success.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// AnswerError is what a receiver says that did not take a request, or not all of it. What it
// says may be anything.
type AnswerError struct {
	Status int
	Text   string
	// After is how long it asks to wait.
	After time.Duration
	// Rejected is how much was not taken where the rest was: data points, or records.
	Rejected uint64
}

func (e *AnswerError) Error() string {
	if e.Status/100 == 2 {
		return fmt.Sprintf("the receiver left out %d: %s", e.Rejected, e.Text)
	}
	return fmt.Sprintf("the receiver answered %d: %s", e.Status, e.Text)
}

// passing reports whether a failure may be over soon: no connection, no answer, or one that
// asks for patience (OTLP 1.11, "Retryable Response Codes").
func passing(err error) bool {
	var answer *AnswerError
	if !errors.As(err, &answer) {
		return !errors.Is(err, errGarbage)
	}
	switch answer.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// wait is how long to wait before another attempt: as long as the receiver asks for, within
// reason, or usual.
func wait(err error, usual time.Duration) time.Duration {
	var answer *AnswerError
	if errors.As(err, &answer) {
		usual = max(usual, answer.After)
	}
	return min(usual, maxAgain)
}

// undelivered is how much of n did not arrive.
func undelivered(err error, n int) int {
	var answer *AnswerError
	if errors.As(err, &answer) && answer.Status/100 == 2 {
		return int(min(uint64(n), answer.Rejected))
	}
	return n
}

// send makes one attempt. The error is an *AnswerError where there was an answer.
func (c *client) send(ctx context.Context, m proto.Message) error {
	body, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("%w: %w", errGarbage, err)
	}
	req, err := c.request(ctx, body)
	if err != nil {
		return withoutURL(err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 == 2 {
		return accepted(resp, text, err)
	}
	return &AnswerError{Status: resp.StatusCode, Text: string(text), After: retryAfter(resp.Header.Get("Retry-After"))}
}

// withoutURL is why a request failed. The receiver's URL may have a secret in it, as a query.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

func (c *client) request(ctx context.Context, body []byte) (*http.Request, error) {
	if c.gzip {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write(body) // into memory, which does not fail
		z.Close()
		body = packed.Bytes()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = c.header.Clone()
	req.Header.Set("Content-Type", protobuf)
	req.Header.Set("User-Agent", c.agent)
	if c.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	return req, nil
}

// errGarbage: it is not known what the receiver took.
var errGarbage = errors.New("not to be understood")

// accepted reads an answer that says that a request was taken: all of it, or a part. Receivers
// that say so in another form than protobuf took all.
func accepted(resp *http.Response, text []byte, readErr error) error {
	if resp.Header.Get("Content-Type") != protobuf {
		return nil
	}
	if readErr != nil {
		return readErr // sent again, and perhaps there twice
	}
	rejected, message, err := partialSuccess(text)
	if err != nil {
		return fmt.Errorf("the receiver's answer is %w: %w", errGarbage, err)
	}
	if rejected == 0 && message == "" {
		return nil
	}
	return &AnswerError{Status: resp.StatusCode, Text: message, Rejected: rejected}
}

// retryAfter reads the header of that name: seconds, or a date (RFC 9110 §10.2.3).
func retryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil {
		return time.Duration(min(max(n, 0), 3600)) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return time.Until(at)
	}
	return 0
}

// partialSuccess reads an ExportLogsServiceResponse or an ExportMetricsServiceResponse. They
// are alike, and their package links grpc.
func partialSuccess(b []byte) (rejected uint64, message string, err error) {
	err = fields(b, func(num protowire.Number, _ uint64, part []byte) error {
		if num != 1 {
			return nil
		}
		return fields(part, func(num protowire.Number, n uint64, text []byte) error {
			switch num {
			case 1:
				rejected = uint64(max(int64(n), 0))
			case 2:
				message = string(text)
			}
			return nil
		})
	})
	return rejected, message, err
}

// fields goes through a message: of each field its number and its varint or its bytes.
func fields(b []byte, each func(protowire.Number, uint64, []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var number uint64
		var text []byte
		switch typ {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			text, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := each(num, number, text); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
