//! PNG, rendered from the SVG.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

use super::GraphView;

/// Pixels of the picture per pixel of the drawing; more than one, for sharpness on dense screens.
const SCALE: f32 = 2.0;

/// Pixels of the largest picture, of four bytes each. Pictures of wide or deep pipelines would take all memory there is.
const MOST_PIXELS: f32 = 64.0 * 1024.0 * 1024.0;

/// The system's fonts, cached since finding them takes a while.
static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_system_fonts();
    let any = fonts
        .faces()
        .find(|face| face.families.iter().any(|(name, _)| name.contains("Sans")));
    let any = any.or_else(|| fonts.faces().next());
    if let Some((name, _)) = any.and_then(|face| face.families.first()) {
        let name = name.clone();
        fonts.set_sans_serif_family(name);
    }
    Arc::new(fonts)
});

impl GraphView {
    /// The picture of [`to_svg`](Self::to_svg) as a PNG file, on white, with the system's fonts; that of a large pipeline
    /// is scaled down to 64 million pixels. `None` if the system has no fonts.
    ///
    /// ```
    /// use thalweg_view::{GraphView, NodeView};
    ///
    /// let graph = GraphView::new(vec![NodeView::new(1, "numbers", "source")], vec![]);
    /// if let Some(png) = graph.to_png() {
    ///     assert!(png.starts_with(b"\x89PNG"));
    /// }
    /// ```
    pub fn to_png(&self) -> Option<Vec<u8>> {
        if FONTS.is_empty() {
            return None;
        }
        let options = Options {
            fontdb: FONTS.clone(),
            ..Options::default()
        };
        let tree = Tree::from_str(&self.to_svg(), &options).ok()?;
        let size = tree.size();
        let scale = scale(size.width(), size.height());
        let (width, height) = (size.width() * scale, size.height() * scale);
        let mut picture = Pixmap::new(width.ceil() as u32, height.ceil() as u32)?;
        picture.fill(Color::WHITE);
        resvg::render(
            &tree,
            Transform::from_scale(scale, scale),
            &mut picture.as_mut(),
        );
        picture.encode_png().ok()
    }
}

/// The scale for a drawing of this size.
fn scale(width: f32, height: f32) -> f32 {
    SCALE.min((MOST_PIXELS / (width * height)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_drawings_are_scaled_down() {
        assert_eq!(scale(800.0, 600.0), SCALE);
        for (width, height) in [(150.0, 600_000.0), (150_000.0, 70_000.0)] {
            let scale = scale(width, height);
            let pixels = (width * scale) * (height * scale);
            assert!((0.99..1.01).contains(&(pixels / MOST_PIXELS)), "{pixels}");
        }
    }
}
