package inspect

import (
	"bytes"
	"strings"
)

// redis is RESP 2 and 3, https://redis.io/docs/latest/develop/reference/protocol-spec/.
var redis = &dialect{name: "redis", ports: []uint16{6379, 6380}, recognise: isRedis,
	grammar: func(d *dialogue, client bool) grammar {
		if d.shared == nil {
			d.shared = &redisState{}
		}
		if client {
			return &redisRequests{state: d.shared.(*redisState)}
		}
		return &redisReplies{state: d.shared.(*redisState)}
	}}

// redisState is the state that both directions share.
type redisState struct {
	subscribed bool // the server sends messages without a request
	// queued: the reply to a command that EXEC executes is a secret.
	queued bool
	// muted: the client asked for no replies. Which request a later reply answers is no
	// longer certain, as the server may have refused that.
	muted bool
	// silent is the number of requests without a reply.
	silent int
}

// isRedis: a request is a list of strings, which no other protocol resembles.
func isRedis(b []byte, o opening) verdict {
	if o.mayBe(client) {
		v := isRedisRequest(b)
		if v == ofClient && !o.first && !o.likely() { // a reply may be a list of strings too
			v = namesCommand(b)
		}
		if v != no {
			return v
		}
	}
	if !o.likely() || o.role != server {
		return no
	}
	switch line, ok := firstLine(b); {
	case !ok && len(b) < maxRedisLine:
		return perhaps
	case ok && respLine(line):
		return ofServer
	}
	return no
}

// maxRedisLine is the longest line of a reply that is recognised.
const maxRedisLine = 512

func isRedisRequest(b []byte) verdict {
	list, ok := firstLine(b)
	if b[0] != '*' || len(list) == 0 || len(list) > 12 {
		return no
	}
	if n, is := number(list[1:]); len(list) > 1 && (!is || n == 0) || ok && len(list) == 1 {
		return no
	}
	if !ok {
		return perhaps
	}
	rest := b[len(list)+2:]
	if len(rest) == 0 {
		return perhaps
	}
	text, ok := firstLine(rest)
	if rest[0] != '$' || len(text) == 0 || len(text) > 12 {
		return no
	}
	if !ok {
		return perhaps
	}
	if _, is := number(text[1:]); !is {
		return no
	}
	return ofClient
}

// redisCommands are the commands that most programs use,
// https://redis.io/docs/latest/commands/.
var redisCommands = wordSet(strings.Fields(`ACL APPEND AUTH BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN
	BITCOUNT BITFIELD BITOP CLIENT CLUSTER COMMAND CONFIG COPY DBSIZE DECR DECRBY DEL DISCARD DUMP ECHO EVAL EVALSHA EXEC EXISTS
	EXPIRE EXPIREAT FCALL FLUSHALL FLUSHDB FUNCTION GEOADD GEODIST GEOSEARCH GET GETBIT GETDEL GETEX GETRANGE GETSET HDEL HELLO
	HEXISTS HGET HGETALL HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HRANDFIELD HSCAN HSET HSETNX HVALS INCR INCRBY INCRBYFLOAT INFO
	KEYS LINDEX LINSERT LLEN LMOVE LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM MGET MIGRATE MONITOR MSET MSETNX MULTI OBJECT PERSIST
	PEXPIRE PFADD PFCOUNT PFMERGE PING PSETEX PSUBSCRIBE PSYNC PTTL PUBLISH PUBSUB QUIT RENAME REPLCONF RESTORE ROLE RPOP RPOPLPUSH
	RPUSH RPUSHX SADD SCAN SCARD SCRIPT SDIFF SELECT SENTINEL SET SETBIT SETEX SETNX SETRANGE SINTER SISMEMBER SMEMBERS SMOVE SORT
	SPOP SPUBLISH SRANDMEMBER SREM SSCAN SSUBSCRIBE STRLEN SUBSCRIBE SUNION TOUCH TTL UNLINK UNSUBSCRIBE UNWATCH WAIT WATCH XACK XADD
	XDEL XGROUP XLEN XRANGE XREAD XREADGROUP XTRIM ZADD ZCARD ZCOUNT ZINCRBY ZPOPMAX ZPOPMIN ZRANGE ZRANGEBYSCORE ZRANK ZREM
	ZREVRANGE ZSCAN ZSCORE`)...)

// namesCommand reports whether the first string of a list names a command.
func namesCommand(b []byte) verdict {
	lines := bytes.SplitN(b, []byte("\r\n"), 4)
	switch {
	case len(lines) < 4 && len(b) < maxRedisLine:
		return perhaps
	case len(lines) < 4 || !redisCommands[upper(lines[2])]:
		return no
	}
	return ofClient
}

// firstLine is the first line of b without its end, as far as it is there; ok says that
// it is complete. A line that does not end with CR LF is nil.
func firstLine(b []byte) (line []byte, ok bool) {
	if i := bytes.IndexByte(b, '\n'); i > 0 && b[i-1] == '\r' {
		return b[:i-1], true
	} else if i >= 0 {
		return nil, true
	}
	return bytes.TrimSuffix(b, []byte("\r")), false
}

// number reads a length, which is never above 2^50.
func number(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// respLine reports whether a line can begin a value of RESP.
func respLine(line []byte) bool {
	if len(line) == 0 {
		return false
	}
	rest := line[1:]
	switch line[0] {
	case '+', '-':
		return len(rest) > 0 && isText(rest)
	case '$', '*', ':', '=', '!', '%', '~', '>', '|':
		_, ok := number(bytes.TrimLeft(rest, "+-"))
		return ok
	case '_':
		return len(rest) == 0
	case '#':
		return string(rest) == "t" || string(rest) == "f"
	case ',', '(':
		return len(rest) > 0 && isText(rest)
	}
	return false
}
