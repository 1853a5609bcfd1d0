//! Shows untrusted text: what could move a cursor or hide itself is written out.

/// `text` with every control character, bidirectional override, zero-width character and other
/// invisible mark as `\xNN` or `\u{…}`. Tabs stay; line breaks are for the caller to split at.
pub fn visible(text: &str) -> String {
    use std::fmt::Write as _;
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\t' => shown.push('\t'),
            '\r' => shown.push_str("\\r"),
            char if char.is_control() => {
                let _ = write!(shown, "\\x{:02x}", u32::from(char));
            }
            char if hidden(char) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(char));
            }
            char => shown.push(char),
        }
    }
    shown
}

/// Unicode's default-ignorable and bidirectional format characters, line and paragraph separators,
/// and tags.
pub(super) const fn hidden(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        assert_eq!(visible("a\x1b[2J\u{9b}b\rc\x7f"), "a\\x1b[2J\\x9bb\\rc\\x7f");
        assert_eq!(visible("x\u{202e}y\u{200b}z"), "x\\u{202e}y\\u{200b}z");
        assert_eq!(visible("tab\there, é, 漢"), "tab\there, é, 漢");
    }
}
