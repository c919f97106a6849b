package inspect

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"
)

// pg encodes messages of either side with the library.
func pg(all ...interface{ Encode([]byte) ([]byte, error) }) string {
	var b []byte
	for _, m := range all {
		var err error
		if b, err = m.Encode(b); err != nil {
			panic(err)
		}
	}
	return string(b)
}

func sqlQuery(text string) string { return pg(&pgproto3.Query{String: text}) }

// rows are a result of rows of one column.
func rows(column string, values ...string) string {
	s := pg(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte(column)}}})
	for _, v := range values {
		s += pg(&pgproto3.DataRow{Values: [][]byte{[]byte(v)}})
	}
	return s
}

func tag(s string) string { return pg(&pgproto3.CommandComplete{CommandTag: []byte(s)}) }

var (
	pgReady   = pg(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	pgStart   = pg(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": "me"}})
	pgWelcome = pg(&pgproto3.AuthenticationOk{}, &pgproto3.ParameterStatus{Name: "a", Value: "b"}, &pgproto3.BackendKeyData{ProcessID: 1, SecretKey: 2}) + pgReady
	pgSync    = pg(&pgproto3.Sync{})
)

var postgresqlCases = []saidCase{
	{name: "query", say: []string{"r" + pgStart, "t" + pgWelcome, "r" + sqlQuery("select  1\nfrom t"), "t" + rows("a", "1", "2") + tag("SELECT 2") + pgReady, "r" + pg(&pgproto3.Terminate{})},
		want: []string{"STARTUP user=me 17 > OK 37", "SELECT select 1 from t 22 > SELECT 2 71", "Terminate 5 >  0"}},
	{name: "password", say: []string{"r" + pgStart, "t" + pg(&pgproto3.AuthenticationCleartextPassword{}), "r" + pg(&pgproto3.PasswordMessage{Password: canary}), "t" + pg(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: "password authentication failed"})},
		want: []string{"STARTUP user=me 39 > FATAL 28P01 password authentication failed 61"}, hides: canary},
	{name: "SCRAM", say: []string{"r" + pgStart, "t" + pg(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256"}}), "r" + pg(&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte(canary)}),
		"t" + pg(&pgproto3.AuthenticationSASLContinue{Data: []byte(canary)}), "r" + pg(&pgproto3.SASLResponse{Data: []byte(canary)}), "t" + pg(&pgproto3.AuthenticationSASLFinal{Data: []byte(canary)}) + pgWelcome},
		want: []string{"STARTUP user=me 77 > OK 111"}, hides: canary},
	{name: "secrets in SQL", say: []string{"r" + pgStart, "t" + pgWelcome, "r" + sqlQuery("alter user me password '"+canary+"'"), "t" + pg(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42704", Message: canary}) + pgReady,
		"r" + sqlQuery("insert into u(password_hash) values ($$"+canary+"$$, 'it''s') returning id"), "t" + rows("id", canary) + tag("INSERT 0 1") + pgReady,
		"r" + sqlQuery("select * from u"), "t" + rows("api_token", canary) + tag("SELECT 1") + pgReady},
		want: []string{"STARTUP user=me 17 > OK 37", "ALTER alter user me password ****************** 47 > ERROR 42704 44",
			"INSERT insert into u(password_hash) values (*****************************) returning id 86 > INSERT 0 1 77", "SELECT select * from u 21 > SELECT 1 82"}, hides: canary},
	{name: "prepared", say: []string{"r" + pgStart, "t" + pgWelcome,
		"r" + pg(&pgproto3.Parse{Name: "s1", Query: "select $1"}, &pgproto3.Bind{PreparedStatement: "s1", Parameters: [][]byte{[]byte(canary)}}, &pgproto3.Execute{}) + pgSync,
		"t" + pg(&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}) + tag("SELECT 0") + pgReady,
		"r" + pg(&pgproto3.Bind{PreparedStatement: "s1"}, &pgproto3.Execute{}) + pgSync + pg(&pgproto3.Bind{PreparedStatement: "other"}, &pgproto3.Execute{}) + pgSync,
		"t" + pg(&pgproto3.BindComplete{}) + tag("SELECT 0") + pgReady + pg(&pgproto3.BindComplete{}, &pgproto3.DataRow{Values: [][]byte{[]byte(canary)}}) + tag("SELECT 1") + pgReady},
		want: []string{"STARTUP user=me 17 > OK 37", "SELECT select $1 70 > SELECT 0 30", "SELECT select $1 30 > SELECT 0 25", "EXECUTE other 33 > SELECT 1 52"}, hides: canary},
	{name: "copy", say: []string{"r" + pgStart, "t" + pgWelcome, "r" + sqlQuery("copy t from stdin"), "t" + pg(&pgproto3.CopyInResponse{}), "r" + pg(&pgproto3.CopyData{Data: bytes.Repeat([]byte("x"), 1000)}, &pgproto3.CopyDone{}), "t" + tag("COPY 1") + pgReady},
		want: []string{"STARTUP user=me 17 > OK 37", "COPY copy t from stdin 1033 > COPY 1 26"}},
	{name: "notices", say: []string{"r" + pgStart, "t" + pgWelcome + pg(&pgproto3.NotificationResponse{PID: 1, Channel: "c", Payload: "p"})},
		want: []string{"STARTUP user=me 17 > OK 37", "NOTIFY 0 > - 13"}},
	{name: "cancel", say: []string{"r" + pg(&pgproto3.CancelRequest{ProcessID: 1, SecretKey: 2})}, want: []string{"CANCEL 16 >  0"}},
}

func TestPostgreSQL(t *testing.T) { checkSaid(t, "postgresql", postgresqlCases) }

// TestPostgreSQLJoined: a connection that was open before is recognised by its port;
// earlier prepared statements are not known, and none of their rows is shown.
func TestPostgreSQLJoined(t *testing.T) {
	f := newFeed(t, Config{})
	f.conn.LPort = 5432
	f.send(tx, "\x00\x00\x00\x05"+canary).send(tx, rows("a", canary)+tag("SELECT 1")+pgReady).send(rx, sqlQuery("select 2")).lose(tx).send(tx, pgReady).send(rx, sqlQuery("select 3")).send(tx, tag("SELECT 3")+pgReady)
	out := f.close()
	want := []string{" 0 > SELECT 1 74", "SELECT select 2 14 >  0 gap", " 0 > OK 6", "SELECT select 3 14 > SELECT 3 20"}
	if d := cmp.Diff(want, said(out)); d != "" || leaks(inJSON(t, out)) != "" {
		t.Errorf("%s%s", d, leaks(inJSON(t, out)))
	}
}
