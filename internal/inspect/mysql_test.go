package inspect

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// my is packets of MySQL: each payload with its length and a number that counts up.
func my(seq byte, payloads ...string) (s string) {
	for _, p := range payloads {
		n := len(p)
		s += string([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq}) + p
		seq++
	}
	return s
}

// myLogin is a handshake response with a password and a database.
func myLogin(password string) string {
	fixed := make([]byte, mysqlFixed)
	binary.LittleEndian.PutUint32(fixed, mysqlNeeds|mysqlWithDB|mysqlLenAuth)
	fixed[8] = 45
	return my(2, string(fixed)+"me\x00"+string(rune(len(password)))+password+"shop\x00caching_sha2_password\x00")
}

const (
	myOK  = "\x00\x00\x00\x02\x00\x00\x00"
	myEOF = "\xfe\x00\x00\x02\x00"
)

// myColumn is the definition of a column.
func myColumn(name string) string {
	s := ""
	for _, one := range []string{"def", "shop", "t", "t", name, name} {
		s += string(rune(len(one))) + one
	}
	return s + "\x0c\x2d\x00\xff\x00\x00\x00\xfd\x00\x00\x00\x00\x00"
}

func myQuery(sql string) string { return my(0, "\x03"+sql) }

var mysqlCases = []saidCase{
	{name: "query", port: 3306, say: []string{"r" + myLogin(canary), "t" + my(3, myOK), "r" + myQuery("select a from t"), "t" + my(1, "\x01", myColumn("a"), myEOF, "\x011", "\x012", myEOF),
		"r" + my(0, "\x0e"), "t" + my(1, myOK), "r" + myQuery("update t set a=1"), "t" + my(1, "\x00\x03\x00\x02\x00\x00\x00"), "r" + my(0, "\x01")},
		want: []string{"LOGIN user=me database=shop 83 > OK 11", "SELECT select a from t 20 > 2 rows 69", "PING 5 > OK 11", "UPDATE update t set a=1 21 > OK 3 affected 11", "QUIT 5 >  0"}, hides: canary},
	{name: "without EOF", port: 3306, say: []string{"r" + myLogin(canary), "t" + my(3, "\xfecaching_sha2_password\x00"+canary, "\x01\x04"), "r" + my(5, canary+"\x00"), "t" + my(6, myOK),
		"r" + my(0, "\x03\x00\x01select a"), "t" + my(1, "\x01", myColumn("a"), "\x011", "\xfe\x00\x00\x02\x00\x00\x00"), "r" + myQuery("select b"), "t" + my(1, "\x01", myColumn("b"), "\xfe\x00\x00\x0a\x00\x00\x00", "\x01", myColumn("c"), "\x011", "\xfe\x00\x00\x02\x00\x00\x00")},
		want: []string{"LOGIN user=me database=shop 104 > OK 60", "SELECT select a 15 > 1 rows 56", "SELECT select b 13 > 1 rows 106"}, hides: canary},
	{name: "errors", port: 3306, say: []string{"r" + myLogin(canary), "t" + my(3, "\xff\x15\x04#28000Access denied "+canary), "r" + myQuery("selec"), "t" + my(1, "\xff\x28\x04#42000You have an error")},
		want: []string{"LOGIN user=me database=shop 83 > ERROR 1045 43", "SELEC selec 10 > ERROR 1064 You have an error 30"}, hides: canary},
	{name: "secrets in SQL", port: 3306, say: []string{"r" + myLogin(canary), "t" + my(3, myOK), "r" + myQuery("create user me identified by '"+canary+"'"), "t" + my(1, myOK), "r" + myQuery("select * from u"), "t" + my(1, "\x01", myColumn("passwd"), myEOF, "\x10"+canary, myEOF)},
		want: []string{"LOGIN user=me database=shop 83 > OK 11", "CREATE create user me identified by ****************** 52 > OK 11", "SELECT select * from u 20 > 1 rows 88"}, hides: canary},
	{name: "prepared", port: 3306, say: []string{"r" + myLogin(canary), "t" + my(3, myOK), "r" + my(0, "\x16select a from t where b=?"), "t" + my(1, "\x00\x07\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00", myColumn("?"), myEOF, myColumn("a"), myEOF),
		"r" + my(0, "\x17\x07\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfd\x00\x10"+canary), "t" + my(1, "\x01", myColumn("a"), myEOF, "\x00\x00\x011", myEOF), "r" + my(0, "\x19\x07\x00\x00\x00") + my(0, "\x17\x09\x00\x00\x00"+canary), "t" + my(1, "\xff\xdb\x04#HY000"+canary)},
		want: []string{"LOGIN user=me database=shop 83 > OK 11", "STMT_PREPARE select a from t where b=? 30 > OK 102", "SELECT select a from t where b=? 35 > 1 rows 65", "STMT_CLOSE 9 >  0", "STMT_EXECUTE 25 > ERROR 1243 29"}, hides: canary},
	{name: "file", port: 3306, say: []string{"r" + myLogin(canary), "t" + my(3, myOK), "r" + myQuery("load data local infile 'a' into table t"), "t" + my(1, "\xfba"), "r" + my(2, canary, ""), "t" + my(4, myOK)},
		want: []string{"LOGIN user=me database=shop 83 > OK 11", "LOAD load data local infile 'a' into table t 68 > OK 17"}, hides: canary},
}

func TestMySQL(t *testing.T) { checkSaid(t, "mysql", mysqlCases) }

// TestMySQLJoined: a connection that was open before is known by its port.
func TestMySQLJoined(t *testing.T) {
	f := newFeed(t, Config{})
	f.conn.LPort = 3306
	f.send(tx, my(5, "\x10"+canary, myEOF)).send(rx, myQuery("select 2")).send(tx, my(1, "\x01", myColumn("a"))).lose(tx).send(tx, my(9, "\x10"+canary, myEOF)).send(rx, my(0, "\x0e")).send(tx, my(1, myOK))
	out := f.close()
	want := []string{"SELECT select 2 13 >  39 gap", "PING 5 > OK 11"}
	if d := cmp.Diff(want, said(out)); d != "" || leaks(inJSON(t, out)) != "" {
		t.Errorf("%s%s", d, leaks(inJSON(t, out)))
	}
}

// shortMySQL are packets with the sequence number of a login that are too short for one.
var shortMySQL = []string{"\x00\x00\x00\x02", "\x01\x00\x00\x02A", my(2, "name,"+canary+"\nother,"+canary+"\n")}

// TestMySQLShortLogin: a packet that only has the sequence number of a login is none,
// and nothing of it is reported: it may be part of a file.
func TestMySQLShortLogin(t *testing.T) {
	for _, packet := range shortMySQL {
		for _, dirs := range [][]event.Dir{{rx}, {rx, tx}} {
			f := newFeed(t, Config{})
			f.conn.LPort = 3306
			f.open(dirs...).send(rx, myQuery("load data local infile 'a' into table t")).send(rx, packet).send(rx, my(0, "\x0e"))
			out := f.close()
			if l := leaks(inJSON(t, out)); l != "" || len(out.said) != 2 || out.said[1].Op != "PING" {
				t.Errorf("%q: %s reported %q", packet, l, said(out))
			}
		}
	}
}
