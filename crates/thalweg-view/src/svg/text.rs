//! How wide text is, without a font at hand, and how it is written in XML.

use super::super::label;

/// The width of `text` in pixels: rather too much than too little, since fonts differ from reader to reader.
pub(super) fn width(text: &str, font_size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * font_size
}

/// The width of a character relative to the font size, as wide sans-serif fonts have it.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '·' => 0.33,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '{' | '}' | '/' | '\\' | '"' | '-' | '`' => 0.42,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.96,
        'A'..='Z' | '+' | '<' | '>' | '=' | '~' | '#' | '&' | '_' => 0.74,
        '\u{20}'..='\u{7e}' => 0.61,
        // East Asian scripts and pictographs take a full square.
        '\u{1100}'..='\u{11ff}'
        | '\u{2e80}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' => 1.05,
        '\u{ff00}'..='\u{ff60}' | '\u{1f000}'.. => 1.05,
        '\u{80}'..='\u{24f}' | '\u{370}'..='\u{58f}' => 0.66,
        _ => 0.85,
    }
}

/// `text` as XML character data, also inside attributes. Characters that XML can't hold are replaced.
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
