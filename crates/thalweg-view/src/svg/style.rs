//! The style sheet. Class names have a prefix, since inside an HTML page they apply to the whole page.

use super::super::role::Role;
use std::fmt::Write;

/// Font sizes in pixels.
pub(super) const NAME_SIZE: f64 = 13.0;
pub(super) const SMALL_SIZE: f64 = 10.5;

/// Lines and labels have medium colours, visible on any background; boxes have their own background.
const COMMON: &str = "\
.thalweg-name, .thalweg-counters { text-anchor: middle }
.thalweg-label { fill: #7d8590 }
.thalweg-line { fill: none; stroke: #8b949e; stroke-width: 1.4 }
.thalweg-head { fill: #8b949e }
.thalweg-line.thalweg-feedback { stroke: #c8743c; stroke-dasharray: 5 4 }
.thalweg-head.thalweg-feedback { fill: #c8743c }
";

const LIGHT: &str = "\
.thalweg-name { fill: #1f2328 }
.thalweg-counters { fill: #59636e }
.thalweg-failed { fill: #c02f36 }
";

const DARK: &str = "\
.thalweg-name { fill: #e6edf3 }
.thalweg-counters { fill: #a3adb8 }
.thalweg-failed { fill: #ff8a85 }
";

/// Content of the style element.
pub(super) fn sheet() -> String {
    let mut sheet = format!(
        ".thalweg-name {{ font-size: {NAME_SIZE}px }}\n.thalweg-counters, .thalweg-label {{ font-size: {SMALL_SIZE}px }}\n\
         {COMMON}{LIGHT}"
    );
    boxes(&mut sheet, Role::colours);
    sheet.push_str("@media (prefers-color-scheme: dark) {\n");
    sheet.push_str(DARK);
    boxes(&mut sheet, Role::dark_colours);
    sheet.push_str("}\n");
    sheet
}

fn boxes(sheet: &mut String, colours: impl Fn(Role) -> (&'static str, &'static str)) {
    for role in Role::ALL {
        let (fill, line) = colours(role);
        let _ = writeln!(
            sheet,
            ".thalweg-{} {{ fill: {fill}; stroke: {line} }}",
            role.name()
        );
    }
}
