//! What a `User-Agent` says in two words, so that people know their own sessions again. The rest of it, which tells
//! machines apart, is never kept.

/// The longest word of a program that we do not know.
const WORD_MAX: usize = 24;

/// Browsers, in the order in which they must be looked for: most pretend to be one of the later ones.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("curl/", "curl"),
];

/// Systems, likewise.
const SYSTEMS: [(&str, &str); 8] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// `Firefox on Linux`; none for an agent that says nothing.
pub fn device(agent: &str) -> Option<String> {
    let known = |table: &[(&str, &'static str)]| {
        let found = table.iter().find(|(sign, _)| agent.contains(sign));
        found.map(|(_, name)| *name)
    };
    let browser = known(&BROWSERS).map_or_else(|| first_word(agent), str::to_owned);
    let system = known(&SYSTEMS);
    match (browser.is_empty(), system) {
        (true, None) => None,
        (true, Some(system)) => Some(system.to_owned()),
        (false, None) => Some(browser),
        (false, Some(system)) => Some(format!("{browser} on {system}")),
    }
}

/// The name that a program gives itself first (RFC 9110, section 10.1.5), without its version.
fn first_word(agent: &str) -> String {
    let name = agent.split(['/', ' ']).next().unwrap_or_default();
    let safe = |letter: &char| letter.is_ascii_alphanumeric() || "-_.".contains(*letter);
    // Browsers that we do not know call themselves so as well, and it says nothing.
    if name == "Mozilla" {
        return "Browser".to_owned();
    }
    name.chars().filter(safe).take(WORD_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn an_agent_in_two_words() {
        for (agent, words) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
                Some("Firefox on Linux"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
                Some("Edge on Windows"),
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36",
                Some("Chrome on Android"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                Some("Safari on iOS"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                Some("Safari on macOS"),
            ),
            ("curl/8.5.0", Some("curl")),
            (
                "my-<b>app</b>-that-has-quite-a-long-name/1.0 (ada@example.com)",
                Some("my-bapp"),
            ),
            ("Mozilla/5.0 (compatible)", Some("Browser")),
            ("", None),
            ("/", None),
        ] {
            assert_eq!(device(agent).as_deref(), words, "{agent}");
        }
    }
}
