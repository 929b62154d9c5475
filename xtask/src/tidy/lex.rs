//! Rust source taken apart just far enough: code without strings and comments, and the strings by themselves.

/// A string literal without its quotes.
#[derive(Debug, PartialEq, Eq)]
pub struct Literal {
    /// Where it begins, from 1.
    pub line: usize,
    /// As written: escapes stay as they are.
    pub text: String,
}

/// What a file consists of.
#[derive(Debug, Default)]
pub struct Lexed {
    /// The file line by line, with blanks where strings and comments stood.
    pub code: Vec<String>,
    /// Every string literal, byte strings and raw strings included.
    pub strings: Vec<Literal>,
}

/// Takes a file apart. Text that is no Rust gives a best effort, never a panic.
pub fn lex(text: &str) -> Lexed {
    let mut cursor = Cursor {
        rest: text,
        line: String::new(),
        out: Lexed::default(),
    };
    while let Some(c) = cursor.rest.chars().next() {
        let rest = cursor.rest;
        if rest.starts_with("//") {
            cursor.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            cursor.blank(comment(rest));
        } else if let Some((open, body, close)) = string(rest).filter(|_| !cursor.in_word()) {
            let line = cursor.out.code.len() + 1;
            cursor.out.strings.push(Literal {
                line,
                text: rest[open..open + body].to_string(),
            });
            cursor.blank(open + body + close);
        } else if c == '\'' {
            cursor.blank(character(rest));
        } else {
            cursor.keep(c);
        }
    }
    let last = std::mem::take(&mut cursor.line);
    cursor.out.code.push(last);
    cursor.out
}

struct Cursor<'a> {
    rest: &'a str,
    line: String,
    out: Lexed,
}

impl Cursor<'_> {
    fn keep(&mut self, c: char) {
        if c == '\n' {
            self.out.code.push(std::mem::take(&mut self.line));
        } else {
            self.line.push(c);
        }
        self.rest = &self.rest[c.len_utf8()..];
    }

    /// Goes on by so many bytes and keeps only their line ends.
    fn blank(&mut self, bytes: usize) {
        let (gone, rest) = self.rest.split_at(bytes);
        for _ in gone.matches('\n') {
            self.out.code.push(std::mem::take(&mut self.line));
        }
        self.line.push(' ');
        self.rest = rest;
    }

    /// Whether what comes next continues an identifier, so that `her"` is not taken for the start of `r"`.
    fn in_word(&self) -> bool {
        self.line.ends_with(|c: char| c.is_alphanumeric() || c == '_') && !self.rest.starts_with('"')
    }
}

/// Length of the block comment at the start; they nest.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Lengths of opening, body and closing of the string literal at the start, if there is one.
fn string(text: &str) -> Option<(usize, usize, usize)> {
    let prefix = ["br", "cr", "b", "c", "r", ""]
        .into_iter()
        .find(|prefix| text.starts_with(prefix))?;
    let after = &text[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = after.len() - after.trim_start_matches('#').len();
        if !after[hashes..].starts_with('"') {
            return None;
        }
        let open = prefix.len() + hashes + 1;
        let end = format!("\"{}", "#".repeat(hashes));
        let body = text[open..].find(&end).unwrap_or(text.len() - open);
        return Some((open, body, end.len().min(text.len() - open - body)));
    }
    if !after.starts_with('"') {
        return None;
    }
    let open = prefix.len() + 1;
    let mut escaped = false;
    for (at, c) in text[open..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((open, at, 1)),
            _ => {}
        }
    }
    Some((open, text.len() - open, 0))
}

/// Length of the character literal at the start, or 1 for the tick of a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            chars.next(); // The escaped character, which may be the tick itself.
            chars.find(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1)
        }
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1),
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: &[&str], strings: &[(usize, &str)]) {
        let lexed = lex(text);
        let squeezed: Vec<String> = lexed
            .code
            .iter()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(squeezed, code, "{text}");
        let found: Vec<(usize, &str)> = lexed.strings.iter().map(|s| (s.line, s.text.as_str())).collect();
        assert_eq!(found, strings, "{text}");
    }

    #[test]
    fn comments_go() {
        check("a // b\nc /* d /* e\n */ f */ g", &["a", "c", "g"], &[]);
    }

    #[test]
    fn strings_stand_apart() {
        check(r#"f("a\"b", x)"#, &["f( , x)"], &[(1, r#"a\"b"#)]);
        check("f(\n\"a\n b\", 1);", &["f(", "", ", 1);"], &[(2, "a\n b")]);
        check(r###"f(r#"a"b"#, br"c\")"###, &["f( , )"], &[(1, "a\"b"), (1, "c\\")]);
        check("let cr = br; her\"x\"", &["let cr = br; her"], &[(1, "x")]);
    }

    #[test]
    fn ticks_are_characters_or_lifetimes() {
        check(
            r#"let a: &'a str = ['"', '\'', '\u{41}', 'é']; "s""#,
            &["let a: & a str = [ , , , ];"],
            &[(1, "s")],
        );
    }

    #[test]
    fn what_does_not_end_ends_with_the_file() {
        check("a \"b", &["a"], &[(1, "b")]);
        check("a /* b", &["a"], &[]);
        check("a r#\"b\"", &["a"], &[(1, "b\"")]);
        check("'", &[""], &[]);
    }
}
