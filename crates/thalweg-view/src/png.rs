//! PNG, rendered from the SVG.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

use super::GraphView;

/// Pixels of the picture per pixel of the drawing; more than one, for sharpness on dense screens.
const SCALE: f32 = 2.0;

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
    /// The picture of [`to_svg`](Self::to_svg) as a PNG file, on white, with the system's fonts. `None` if the system
    /// has no fonts, or if the picture does not fit in memory.
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
        let (width, height) = (size.width() * SCALE, size.height() * SCALE);
        let mut picture = Pixmap::new(width.ceil() as u32, height.ceil() as u32)?;
        picture.fill(Color::WHITE);
        resvg::render(
            &tree,
            Transform::from_scale(SCALE, SCALE),
            &mut picture.as_mut(),
        );
        picture.encode_png().ok()
    }
}
