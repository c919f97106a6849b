package inspect

// verb follows a command with credentials, and counts the lines after it that are part
// of it.
type verb struct {
	known   bool // the line began with one
	command command
	words   int                       // of arguments
	first   [len(wholeMechanism)]byte // of the first word
	length  int                       // of it
	inWord  bool
	last    byte // of the line, without spaces
	lines   int  // that are still to come
	answer  bool
	// unsure says that the next lines may be part of the command, or one of them may be
	// another command.
	unsure bool
}

// mostLines is the largest number of lines that may follow a command if it is not known
// whether its arguments are in its own line.
const mostLines = 4

// interrupt handles a gap. The rest of the cut line must not be shown, nor the lines of
// the command that may follow. begun says that the gap may have cut the command itself.
func (v *verb) interrupt(begun bool) {
	lines := v.lines
	switch {
	case begun:
		lines = mostLines
	case v.known && v.command.exchange:
		lines = max(v.follow(), 1)
	case v.known, v.answer: // whose line may end with a brace
		lines = max(lines, 1)
	}
	*v = verb{lines: lines, unsure: true}
}

// mayBeCommand reports whether a command can begin with the part of a word that is
// there.
func mayBeCommand(word []byte) bool {
	for c := range secretCommands {
		if begins(word, c) {
			return true
		}
	}
	return false
}

// begin handles a word of the line, in lower case. It reports whether credentials
// follow.
func (v *verb) begin(word []byte, second bool) bool {
	c, ok := secretCommands[string(word)]
	if !ok || second && !c.tagged {
		return false
	}
	*v = verb{known: true, command: c}
	return true
}

// seek looks for a command in a line whose beginning was not seen: each of its words
// may be one. w is the word that ended before these bytes.
func (v *verb) seek(w *word, b []byte) {
	for i, c := range b {
		switch {
		case v.known:
			v.read(b[i:])
			return
		case plain[c] != 0:
			w.add(plain[c])
			continue
		}
		if v.begin(w.bytes(), false) {
			v.unsure = true
		}
		w.n = 0
	}
}

// expect says that at least so many of the next lines may be part of a command.
func (v *verb) expect(lines int) { v.lines, v.unsure = max(v.lines, lines), true }

// read handles bytes after the command.
func (v *verb) read(b []byte) {
	if !v.known && !v.answer {
		return
	}
	for _, c := range b {
		if c > ' ' {
			v.last = c
			if !v.inWord {
				v.words++
			}
			v.spell(c)
		}
		v.inWord = c > ' '
	}
}

// wholeMechanism is the SASL mechanism that needs only one line (RFC 4616).
const wholeMechanism = "plain"

// spell adds a byte to the first word, in lower case.
func (v *verb) spell(c byte) {
	if v.words != 1 {
		return
	}
	if v.length < len(v.first) {
		v.first[v.length] = c | 0x20
	}
	v.length++
}

// answers reports whether the line that begins is part of the command.
func (v *verb) answers() bool {
	v.answer = v.lines > 0
	if v.answer {
		v.lines--
	}
	return v.answer
}

// lineEnds counts the lines that follow. A brace at the end follows the length of the
// next line's literal (RFC 9051 §4.3).
func (v *verb) lineEnds() {
	switch {
	case !v.known && !v.answer:
		return
	case v.last == '}':
		v.lines = max(v.lines, 1)
	case v.known && v.command.exchange:
		v.lines = v.follow()
	case v.answer && v.unsure && string(v.first[:4]) == "auth":
		v.lines = mostLines
	case v.answer && v.unsure && v.words == 3: // as IMAP has it: a tag, AUTHENTICATE, a mechanism
		v.lines = max(v.lines, 1)
	}
	*v = verb{lines: v.lines, unsure: v.unsure && v.lines > 0}
}

// follow is the number of lines with arguments after the command's own line. In Redis
// each word and its length have a line, and AUTH has two words at most. In SMTP, POP3
// and IMAP the command's line has the mechanism, and lines with user and password
// follow; if it has the user too, as with LOGIN and SCRAM (RFC 4954 §4), the others
// follow.
func (v *verb) follow() int {
	switch v.words {
	case 0:
		return mostLines
	case 1:
		return 2
	case 2:
		if v.length == len(v.first) && string(v.first[:]) == wholeMechanism {
			return 0
		}
		return 1
	}
	return 0
}
