//! Lines and arrow heads as SVG paths.

use super::super::layout::{Point, Shape};
use std::fmt::Write;

const HEAD_LENGTH: f64 = 8.0;
const HALF_HEAD: f64 = 4.0;

/// Paths of a line and of its arrow head.
pub(super) fn paths(shape: &Shape) -> (String, String) {
    match shape {
        Shape::Through(points) => through(points),
        &Shape::Loop {
            side,
            reach,
            out,
            back,
        } => around(side, reach, out, back),
    }
}

/// A curve through the points, vertical at each. It begins and ends with a straight piece as long as the arrow head, so
/// that a line and its counterpart in the other direction have the same curve.
fn through(points: &[Point]) -> (String, String) {
    let [first, .., last] = points else {
        return (String::new(), String::new());
    };
    let down = if first.y < last.y { 1.0 } else { -1.0 };
    let start = Point {
        y: first.y + down * HEAD_LENGTH,
        ..*first
    };
    let end = Point {
        y: last.y - down * HEAD_LENGTH,
        ..*last
    };

    let mut path = format!("M{} {}", short(first.x), short(first.y));
    let mut from = *first;
    let inner = points[1..points.len() - 1].iter().copied();
    for to in std::iter::once(start).chain(inner).chain([end]) {
        let (x, y) = (short(to.x), short(to.y));
        let _ = if x == short(from.x) {
            write!(path, "V{y}")
        } else {
            let middle = short((from.y + to.y) / 2.0);
            write!(path, "C{} {middle} {x} {middle} {x} {y}", short(from.x))
        };
        from = to;
    }
    let base = short(-down * HEAD_LENGTH);
    let head = format!(
        "M{} {}l-{HALF_HEAD} {base}h{}z",
        short(last.x),
        short(last.y),
        2.0 * HALF_HEAD
    );
    (path, head)
}

fn around(side: f64, reach: f64, out: f64, back: f64) -> (String, String) {
    // A cubic curve reaches three quarters of the way to its control points.
    let control = short(side + (reach - side) / 0.75);
    let end = short(side + HEAD_LENGTH);
    let (side, out, back) = (short(side), short(out), short(back));
    (
        format!("M{side} {out}C{control} {out} {control} {back} {end} {back}"),
        format!(
            "M{side} {back}l{HEAD_LENGTH} -{HALF_HEAD}v{}z",
            2.0 * HALF_HEAD
        ),
    )
}

/// A coordinate, rounded to a tenth of a pixel.
pub(super) fn short(coordinate: f64) -> String {
    // Adding zero turns a negative zero into a positive one.
    format!("{}", (coordinate * 10.0).round() / 10.0 + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(points: &[(f64, f64)]) -> Shape {
        Shape::Through(points.iter().map(|&(x, y)| Point { x, y }).collect())
    }

    #[test]
    fn a_downward_line_has_a_downward_arrowhead() {
        let (path, head) = paths(&points(&[(5.0, 10.0), (5.0, 50.0)]));
        assert_eq!(path, "M5 10V18V42");
        assert_eq!(head, "M5 50l-4 -8h8z");
    }

    #[test]
    fn an_upward_line_has_an_upward_arrowhead() {
        let (path, head) = paths(&points(&[(5.0, 50.0), (25.04, 10.0)]));
        assert_eq!(path, "M5 50V42C5 30 25 30 25 18");
        assert_eq!(head, "M25 10l-4 8h8z");
    }

    #[test]
    fn a_self_loop_returns_to_its_side() {
        let (path, head) = paths(&Shape::Loop {
            side: 100.0,
            reach: 130.0,
            out: 30.0,
            back: 10.0,
        });
        assert_eq!(path, "M100 30C140 30 140 10 108 10");
        assert_eq!(head, "M100 10l8 -4v8z");
    }
}
