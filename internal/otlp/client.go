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
	// maxAnswer is how much of a response is read.
	maxAnswer = 64 << 10
	// maxAgain is the longest wait before another attempt.
	maxAgain = 30 * time.Second
)

// client sends one signal to its receiver. OpenTelemetry's exporters would do the same, but
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
		// A redirect would turn the request into a GET, and its response would look like a
		// success.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// AnswerError is the response of a receiver that did not accept a request, or not all of it.
// Its text can be anything.
type AnswerError struct {
	Status int
	Text   string
	// After is how long the receiver asks to wait.
	After time.Duration
	// Rejected is how many data points or records it did not accept, when it accepted the
	// others.
	Rejected uint64
}

func (e *AnswerError) Error() string {
	if e.Status/100 == 2 {
		return fmt.Sprintf("the receiver left out %d: %s", e.Rejected, e.Text)
	}
	return fmt.Sprintf("the receiver answered %d: %s", e.Status, e.Text)
}

// passing reports whether a failure may be temporary: no connection, no response, or one that
// asks to retry (OTLP 1.11, "Retryable Response Codes").
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

// wait is how long to wait before another attempt: as long as the receiver asks for, within a
// limit, or usual.
func wait(err error, usual time.Duration) time.Duration {
	var answer *AnswerError
	if errors.As(err, &answer) {
		usual = max(usual, answer.After)
	}
	return min(usual, maxAgain)
}

// undelivered is how many of n did not arrive.
func undelivered(err error, n int) int {
	var answer *AnswerError
	if errors.As(err, &answer) && answer.Status/100 == 2 {
		return int(min(uint64(n), answer.Rejected))
	}
	return n
}

// send makes one attempt. The error is an *AnswerError if there was a response.
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

// withoutURL returns why a request failed, without the receiver's URL, whose query may have a
// secret.
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

// errGarbage: it is not known what the receiver accepted.
var errGarbage = errors.New("not to be understood")

// accepted reads the response to an accepted request: the receiver accepted all of it, or a
// part. A receiver that responds in another form than protobuf accepted all.
func accepted(resp *http.Response, text []byte, readErr error) error {
	if resp.Header.Get("Content-Type") != protobuf {
		return nil
	}
	if readErr != nil {
		return readErr // sent again, and then perhaps received twice
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

// retryAfter reads the header Retry-After: seconds, or a date (RFC 9110 §10.2.3).
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

// fields iterates over a message: for each field its number and its varint or its bytes.
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
