//! The rules of a `robots.txt`, by RFC 9309.

use std::time::Duration;

use memchr::memmem;

/// Maximum size of a file that is read, in bytes; the rest is ignored.
pub(crate) const MAX_LEN: usize = 500 * 1024;

/// Upper limit of a `Crawl-delay`: a site that asks for more wants no visits, and can say so by its rules.
const MAX_DELAY: Duration = Duration::from_secs(300);

/// A crawler's permissions by a file.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    delay: Option<Duration>,
}

#[derive(Debug)]
struct Rule {
    allows: bool,
    /// The normalized path or its beginning. `*` matches anything.
    pattern: Vec<u8>,
    /// Whether the path has to end where the pattern does.
    is_whole: bool,
}

/// A meaningful line.
enum Line<'a> {
    Agent(&'a [u8]),
    Rule { allows: bool, path: &'a [u8] },
    Delay(Option<Duration>),
}

impl Rules {
    /// The rules for a crawler by its product token; by default those for `*`.
    pub(crate) fn parse(file: &[u8], agent: &str) -> Self {
        let file = &file[..file.len().min(MAX_LEN)];
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        let (mut own, mut others) = (None, Self::default());
        // Whom the group is for, and whether its rules have begun.
        let (mut is_own, mut is_others, mut has_begun) = (false, false, true);
        for line in file.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let Some(line) = understand(line) else {
                continue;
            };
            if let Line::Agent(name) = line {
                if std::mem::take(&mut has_begun) {
                    (is_own, is_others) = (false, false);
                }
                is_others |= name == b"*";
                if product(name).eq_ignore_ascii_case(agent.as_bytes()) && !agent.is_empty() {
                    is_own = true;
                    own.get_or_insert_with(Self::default);
                }
                continue;
            }
            has_begun = true;
            if let (true, Some(own)) = (is_own, &mut own) {
                own.add(&line);
            }
            if is_others {
                others.add(&line);
            }
        }
        own.unwrap_or(others)
    }

    fn add(&mut self, line: &Line<'_>) {
        match *line {
            // No URL has an empty path.
            Line::Rule { path: b"", .. } | Line::Agent(_) => {}
            Line::Rule { allows, path } => {
                let (path, is_whole) = match path.strip_suffix(b"$") {
                    Some(path) => (path, true),
                    None => (path, false),
                };
                self.rules.push(Rule {
                    allows,
                    pattern: normalize(path),
                    is_whole,
                });
            }
            Line::Delay(delay) => self.delay = self.delay.max(delay),
        }
    }

    /// The rule that disallows a path with its query, if there is one: the longest match decides, and of two equally
    /// long ones the one that allows.
    pub(crate) fn forbidding(&self, path: &str) -> Option<String> {
        let path = path.as_bytes();
        if path == b"/robots.txt" {
            return None;
        }
        let path = normalize(path);
        let fitting = self.rules.iter().filter(|rule| rule.fits(&path));
        let longest = fitting.max_by_key(|rule| (rule.len(), rule.allows))?;
        (!longest.allows).then(|| longest.shown())
    }

    /// The pause between two requests.
    pub(crate) fn delay(&self) -> Option<Duration> {
        self.delay.map(|delay| delay.min(MAX_DELAY))
    }

    /// Size in bytes.
    pub(crate) fn size(&self) -> usize {
        let rules = self.rules.iter();
        let patterns: usize = rules.map(|rule| rule.pattern.len()).sum();
        patterns + self.rules.len() * size_of::<Rule>()
    }
}

impl Rule {
    fn len(&self) -> usize {
        self.pattern.len() + usize::from(self.is_whole)
    }

    /// Whether a path matches a pattern. Text between two `*` is matched at its first occurrence: nothing is tried
    /// twice.
    fn fits(&self, path: &[u8]) -> bool {
        let mut parts = self.pattern.split(|byte| *byte == b'*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = path.strip_prefix(first) else {
            return false;
        };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return !self.is_whole || rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if self.is_whole && parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match memmem::find(rest, part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        true
    }

    fn shown(&self) -> String {
        /// Maximum bytes of a rule shown in errors.
        const SHOWN: usize = 100;
        let shown = self.pattern[..self.pattern.len().min(SHOWN)].escape_ascii();
        let end = match (self.pattern.len() > SHOWN, self.is_whole) {
            (true, _) => "…",
            (false, true) => "$",
            (false, false) => "",
        };
        format!("Disallow: {shown}{end}")
    }
}

/// Parses a line; `None` if it is unknown.
fn understand(line: &[u8]) -> Option<Line<'_>> {
    let end = memchr::memchr(b'#', line).unwrap_or(line.len());
    let line = &line[..end];
    let colon = memchr::memchr(b':', line)?;
    let (key, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
    let is = |name: &str| key.eq_ignore_ascii_case(name.as_bytes());
    if is("user-agent") {
        Some(Line::Agent(value))
    } else if is("allow") || is("disallow") {
        Some(Line::Rule {
            allows: is("allow"),
            path: value,
        })
    } else if is("crawl-delay") {
        let seconds = std::str::from_utf8(value).ok()?.parse::<f64>();
        let delay = seconds.ok().map(|seconds| seconds.clamp(0.0, 1e6));
        // Neither a number nor a pause, but it ends the group's agents.
        Some(Line::Delay(delay.and_then(|seconds| {
            Duration::try_from_secs_f64(seconds).ok()
        })))
    } else {
        None
    }
}

/// The product token at the beginning of a crawler's name.
pub(crate) fn product(name: &[u8]) -> &[u8] {
    let is_part = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_');
    let end = name.iter().position(|byte| !is_part(byte));
    &name[..end.unwrap_or(name.len())]
}

/// Normalizes a path for comparison: unreserved characters are not encoded, all others are, in capitals.
fn normalize(path: &[u8]) -> Vec<u8> {
    let mut normal = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, behind @ ..] = rest {
        rest = behind;
        let encoded = match (first, behind) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let byte = match encoded {
            Some((high, low)) => {
                rest = &behind[2..];
                high << 4 | low
            }
            None if first.is_ascii_graphic() => {
                normal.push(*first);
                continue;
            }
            None => *first,
        };
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            normal.push(byte);
        } else {
            let digit = |digit: u8| b"0123456789ABCDEF"[usize::from(digit & 15)];
            normal.extend([b'%', digit(byte >> 4), digit(byte)]);
        }
    }
    normal
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a crawler named `thalweg` may request a path.
    fn allows(file: &str, path: &str) -> bool {
        Rules::parse(file.as_bytes(), "thalweg")
            .forbidding(path)
            .is_none()
    }

    #[test]
    fn the_longest_matching_rule_decides() {
        let file = "User-agent: *\nDisallow: /\nAllow: /page\nDisallow: /page/private\nAllow: /a$\n\
                    Disallow: /b*.gif$\nDisallow: /c/*/d\nAllow: /c/*/d";
        for (path, is_allowed) in [
            ("/", false),
            ("/page", true),
            ("/pages?x=1", true),
            ("/page/private/x", false),
            ("/a", true),
            ("/ab", false),
            ("/c/x/d", true),
            ("/robots.txt", true),
        ] {
            assert_eq!(allows(file, path), is_allowed, "{path}");
        }
        assert!(allows("Disallow: /\nUser-agent: *\nDisallow:", "/x"));
        assert!(allows("", "/x"));
        assert!(allows("User-agent: other\nDisallow: /", "/x"));
    }

    #[test]
    fn wildcards_and_end_anchors_follow_the_rfc() {
        let fits = |pattern: &str, path: &str| {
            !allows(&format!("User-agent: *\nDisallow: {pattern}"), path)
        };
        for (pattern, path, expected) in [
            ("/fish", "/fish.html", true),
            ("/fish", "/Fish", false),
            ("/fish*", "/fishheads?id=1", true),
            ("/fish/", "/fish", false),
            ("/*.php", "/folder/a.php?x", true),
            ("/*.php$", "/a.php", true),
            ("/*.php$", "/a.php?x", false),
            ("/*.php$", "/a.php.php", true),
            ("/fish*.php", "/fishheads/catfish.php?x", true),
            ("/a*b*c", "/abbc", true),
            ("/a*b*c$", "/a-c-b", false),
            ("/a$", "/a", true),
            ("/a$b", "/a$b", true),
            ("*", "/x", true),
            ("/a*b$", "/ab", true),
            ("/ab*ab$", "/ab", false),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn paths_are_compared_in_one_encoding() {
        for (pattern, path) in [
            ("/foo/bar/ツ", "/foo/bar/%E3%83%84"),
            ("/foo/bar/%e3%83%84", "/foo/bar/ツ"),
            ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
            ("/%7Ejoe", "/~joe"),
            ("/a%3cd.html", "/a%3Cd.html"),
        ] {
            let file = format!("User-agent: *\nDisallow: {pattern}");
            assert!(!allows(&file, path), "{pattern} {path}");
        }
        assert!(allows("User-agent: *\nDisallow: /a%2fb", "/a/b"));
        assert!(allows("User-agent: *\nDisallow: /a%2Ab$", "/axxb"));
    }

    #[test]
    fn the_own_group_takes_precedence_over_the_wildcard_group() {
        let file = "\u{feff}User-Agent: other\nuser-agent : THALWEG/1.0 # us\n\nDisallow: /a\r\n\
                    Sitemap: http://x/\rDisallow: /b\nUser-agent: *\nDisallow: /\n\
                    User-agent: thalweg\nDisallow: /c";
        let allowed = ["/a", "/b", "/c", "/d"].map(|path| allows(file, path));
        assert_eq!(allowed, [false, false, false, true]);
        let prefix = "User-agent: thal\nDisallow: /\nUser-agent: thalweg-bot\nDisallow: /";
        assert!(allows(prefix, "/x"));
        assert!(!allows(
            "User-agent: *\nUser-agent: other\nDisallow: /",
            "/x"
        ));
        // An empty name is covered by `*`.
        assert!(
            Rules::parse(b"User-agent: 7\nDisallow: /", "")
                .forbidding("/x")
                .is_none()
        );
    }

    #[test]
    fn a_crawl_delay_belongs_to_its_group_and_is_bounded() {
        let delay = |file: &str| Rules::parse(file.as_bytes(), "thalweg").delay();
        let of_all = "User-agent: *\nCrawl-delay: 2.5\nUser-agent: thalweg\nDisallow: /";
        assert_eq!(delay(of_all), None);
        assert_eq!(
            delay("User-agent: *\nCrawl-delay: 2.5"),
            Some(Duration::from_millis(2500))
        );
        assert_eq!(
            delay("User-agent: *\nCrawl-delay: 1e300"),
            Some(Duration::from_secs(300))
        );
        for none in ["-1e9", "NaN", "soon", ""] {
            let delay = delay(&format!("User-agent: *\nCrawl-delay: {none}"));
            assert!(delay.is_none_or(|delay| delay.is_zero()), "{none}");
        }
    }

    #[test]
    fn rules_past_the_limit_are_ignored_and_matching_is_fast() {
        let mut file = b"User-agent: *\nDisallow: /a\n#".to_vec();
        file.resize(MAX_LEN, b'x');
        file.extend(b"\nDisallow: /b");
        let rules = Rules::parse(&file, "thalweg");
        assert!(rules.forbidding("/a").is_some() && rules.forbidding("/b").is_none());
        let hostile = format!("User-agent: *\nDisallow: {}b", "*a".repeat(200_000));
        let rules = Rules::parse(hostile.as_bytes(), "thalweg");
        assert!(
            rules
                .forbidding(&format!("/{}", "a".repeat(300_000)))
                .is_none()
        );
    }
}
