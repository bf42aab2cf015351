//! Estimates the width of text without a font, and escapes it for XML.

use super::super::label;

/// Estimated width of `text` in pixels, an upper estimate since readers' fonts differ.
pub(super) fn width(text: &str, font_size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * font_size
}

/// Width of a character in wide sans-serif fonts, relative to the font size.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '·' => 0.33,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '{' | '}' | '/' | '\\' | '"' | '-' | '`' => 0.42,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.96,
        'A'..='Z' | '+' | '<' | '>' | '=' | '~' | '#' | '&' | '_' => 0.74,
        '\u{20}'..='\u{7e}' => 0.61,
        // East Asian scripts and pictographs are square.
        '\u{1100}'..='\u{11ff}'
        | '\u{2e80}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' => 1.05,
        '\u{ff00}'..='\u{ff60}' | '\u{1f000}'.. => 1.05,
        '\u{80}'..='\u{24f}' | '\u{370}'..='\u{58f}' => 0.66,
        _ => 0.85,
    }
}

/// Escapes text for XML, also inside attributes. Characters that XML does not allow are replaced.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars().map(label::printable) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}
