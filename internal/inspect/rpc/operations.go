package rpc

// operation is an operation of a COMPOUND.
type operation struct {
	name string
	// arguments is nil if their length is not known, and so not what follows them.
	arguments skipFunc
}

// callbackSecurity is callback_sec_parms4, RFC 8881 §18.33.
var callbackSecurity = list(choice{
	0: void,
	1: all(word, opaque, word, word, words), // authsys_parms
	6: all(word, opaque, opaque),            // gss_cb_handles4
}.pass)

// channel is channel_attrs4, RFC 8881 §18.36.
var channel = all(fixed(6*4), words)

// protection is state_protect4_a, RFC 8881 §18.35.
var protection = choice{
	0: void,
	1: all(bitmap, bitmap),
	2: all(bitmap, bitmap, list(opaque), list(opaque), word, word),
}.pass

// creation is createhow4, RFC 8881 §18.16.
var creation = choice{0: attributes, 1: attributes, 2: verifier, 3: all(verifier, attributes)}.pass

// claim is open_claim4, RFC 8881 §18.16.
var claim = choice{
	0: name,
	1: word,
	2: all(stateid, name),
	3: name,
	4: void,
	5: stateid,
	6: void,
}.pass

// locker is locker4, RFC 8881 §18.10.
var locker = choice{
	0: all(stateid, word),
	1: all(word, stateid, word, owner),
}.pass

// operations are those of NFS 4.0 (RFC 7530 §16), 4.1 (RFC 8881 §18), 4.2 (RFC 7862
// §15) and of extended attributes (RFC 8276 §8).
var operations = map[uint32]operation{
	3:  {"ACCESS", word},
	4:  {"CLOSE", all(word, stateid)},
	5:  {"COMMIT", all(hyper, word)},
	6:  {"CREATE", all(choice{3: fixed(8), 4: fixed(8), 5: opaque}.otherwise(void), name, attributes)},
	7:  {"DELEGPURGE", hyper},
	8:  {"DELEGRETURN", stateid},
	9:  {"GETATTR", bitmap},
	10: {"GETFH", void},
	11: {"LINK", name},
	12: {"LOCK", all(word, word, hyper, hyper, locker)},
	13: {"LOCKT", all(word, hyper, hyper, owner)},
	14: {"LOCKU", all(word, word, stateid, hyper, hyper)},
	15: {"LOOKUP", name},
	16: {"LOOKUPP", void},
	17: {"NVERIFY", attributes},
	18: {"OPEN", all(word, word, word, owner, choice{0: void, 1: creation}.pass, claim)},
	19: {"OPENATTR", word},
	20: {"OPEN_CONFIRM", all(stateid, word)},
	21: {"OPEN_DOWNGRADE", all(stateid, word, word, word)},
	22: {"PUTFH", handle},
	23: {"PUTPUBFH", void},
	24: {"PUTROOTFH", void},
	25: {"READ", all(stateid, hyper, word)},
	26: {"READDIR", all(hyper, verifier, word, word, bitmap)},
	27: {"READLINK", void},
	28: {"REMOVE", name},
	29: {"RENAME", all(name, name)},
	30: {"RENEW", hyper},
	31: {"RESTOREFH", void},
	32: {"SAVEFH", void},
	33: {"SECINFO", name},
	34: {"SETATTR", all(stateid, attributes)},
	35: {"SETCLIENTID", all(verifier, opaque, word, address, word)},
	36: {"SETCLIENTID_CONFIRM", all(hyper, verifier)},
	37: {"VERIFY", attributes},
	38: {"WRITE", all(stateid, hyper, word, opaque)},
	39: {"RELEASE_LOCKOWNER", owner},

	40: {"BACKCHANNEL_CTL", all(word, callbackSecurity)},
	41: {"BIND_CONN_TO_SESSION", all(session, word, word)},
	42: {"EXCHANGE_ID", all(verifier, opaque, word, protection, list(all(opaque, opaque, moment)))},
	43: {"CREATE_SESSION", all(hyper, word, word, channel, channel, word, callbackSecurity)},
	44: {"DESTROY_SESSION", session},
	45: {"FREE_STATEID", stateid},
	46: {"GET_DIR_DELEGATION", all(word, bitmap, moment, moment, bitmap, bitmap)},
	47: {"GETDEVICEINFO", all(device, word, word, bitmap)},
	48: {"GETDEVICELIST", all(word, word, hyper, verifier)},
	49: {"LAYOUTCOMMIT", all(hyper, hyper, word, stateid, choice{0: void, 1: hyper}.pass, choice{0: void, 1: moment}.pass, typed)},
	50: {"LAYOUTGET", all(word, word, word, hyper, hyper, hyper, stateid, word)},
	51: {"LAYOUTRETURN", all(word, word, word, choice{1: all(hyper, hyper, stateid, opaque)}.otherwise(void))},
	52: {"SECINFO_NO_NAME", word},
	53: {"SEQUENCE", all(session, word, word, word, word)},
	54: {"SET_SSV", all(opaque, opaque)},
	55: {"TEST_STATEID", list(stateid)},
	56: {"WANT_DELEGATION", all(word, choice{1: word, 4: void, 6: void}.pass)},
	57: {"DESTROY_CLIENTID", hyper},
	58: {"RECLAIM_COMPLETE", word},

	59: {"ALLOCATE", all(stateid, hyper, hyper)},
	60: {"COPY", all(stateid, stateid, hyper, hyper, hyper, word, word, list(location))},
	61: {"COPY_NOTIFY", all(stateid, location)},
	62: {"DEALLOCATE", all(stateid, hyper, hyper)},
	63: {"IO_ADVISE", all(stateid, hyper, hyper, bitmap)},
	64: {"LAYOUTERROR", all(hyper, hyper, stateid, list(all(device, word, word)))},
	65: {"LAYOUTSTATS", all(hyper, hyper, stateid, fixed(16), fixed(16), device, typed)},
	66: {"OFFLOAD_CANCEL", stateid},
	67: {"OFFLOAD_STATUS", stateid},
	68: {"READ_PLUS", all(stateid, hyper, word)},
	69: {"SEEK", all(stateid, hyper, word)},
	70: {"WRITE_SAME", all(stateid, word, hyper, hyper, hyper, hyper, word, hyper, opaque)},
	71: {"CLONE", all(stateid, stateid, hyper, hyper, hyper)},

	72: {"GETXATTR", opaque},
	73: {"SETXATTR", all(word, opaque, opaque)},
	74: {"LISTXATTRS", all(hyper, word)},
	75: {"REMOVEXATTR", opaque},

	10044: {"ILLEGAL", nil},
}

// callbacks are the operations that a server requests of its client: RFC 7530 §16, RFC
// 8881 §20, RFC 7862 §16.
var callbacks = map[uint32]operation{
	3: {"CB_GETATTR", all(handle, bitmap)},
	4: {"CB_RECALL", all(stateid, word, handle)},

	5:  {"CB_LAYOUTRECALL", all(word, word, word, choice{1: all(handle, hyper, hyper, stateid), 2: fixed(16), 3: void}.pass)},
	6:  {"CB_NOTIFY", all(stateid, handle, list(all(bitmap, opaque)))},
	7:  {"CB_PUSH_DELEG", nil},
	8:  {"CB_RECALL_ANY", all(word, bitmap)},
	9:  {"CB_RECALLABLE_OBJ_AVAIL", nil},
	10: {"CB_RECALL_SLOT", word},
	11: {"CB_SEQUENCE", all(session, word, word, word, word, list(all(session, list(fixed(8)))))},
	12: {"CB_WANTS_CANCELLED", all(word, word)},
	13: {"CB_NOTIFY_LOCK", all(handle, owner)},
	14: {"CB_NOTIFY_DEVICEID", list(all(bitmap, opaque))},

	15: {"CB_OFFLOAD", all(handle, stateid, choice{0: all(list(stateid), hyper, word, verifier)}.otherwise(hyper))},

	10044: {"CB_ILLEGAL", nil},
}
